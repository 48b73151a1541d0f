package image

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pxecast/pxecast/internal/image/source"
	"github.com/zeebo/blake3"
)

// CacheVariable is the environment variable that names the cache folder.
const CacheVariable = "PXECAST_CACHE"

// A Cache keeps packed images in a folder, so that the second use of an image
// starts at once. Each input has at most one file there; several processes may
// share the folder. Files are complete from the moment they have a name and
// never change, so one that is in use stays whole even when a newer one
// replaces it.
type Cache struct {
	Dir string // made with mode 0700 when it does not exist
}

// DefaultCache returns the cache in $PXECAST_CACHE, else in /var/cache/pxecast
// for root, else in pxecast in the user's cache folder ($XDG_CACHE_HOME).
func DefaultCache() (Cache, error) {
	if dir := os.Getenv(CacheVariable); dir != "" {
		return Cache{dir}, nil
	}
	if os.Geteuid() == 0 {
		return Cache{"/var/cache/pxecast"}, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return Cache{}, fmt.Errorf("no folder for the cache: %w: set %s", err, CacheVariable)
	}
	return Cache{filepath.Join(dir, "pxecast")}, nil
}

// Get returns the packed image of input, from the cache or packed now. An
// input that is a packed image itself is used in place, once it was verified.
// What cannot be recognised another time (standard input, pipes, devices) is
// packed into a file without a name that goes with the Packed.
func (c Cache) Get(ctx context.Context, input string, opts PackOptions) (*Packed, error) {
	in, err := source.Open(input)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if p, err := c.inPlace(ctx, in, opts); err != nil || p != nil {
		return p, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make cache folder: %w: set %s to another", err, CacheVariable)
	}
	id, ok := in.Identity()
	if !ok {
		return c.packUnnamed(ctx, in, opts)
	}
	key := keyOf(id, opts.Level)
	unlock, err := c.lock(ctx, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	path := filepath.Join(c.Dir, key.file(packedSuffix))
	if p, err := Open(path); err == nil {
		return p, nil // anything else there is replaced
	}
	out, err := newOutput(path, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: set %s to a folder that is yours", err, CacheVariable)
	}
	p, err := packTo(ctx, in, out, path, opts)
	if err == nil {
		c.prune(key, packedSuffix)
	}
	return p, err
}

// Lookup returns what Get would return without any work; nil when there is work
// to be done.
func (c Cache) Lookup(input string, l Level) (*Packed, error) {
	in, err := source.Open(input)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	id, ok := in.Identity()
	if !ok {
		return nil, nil
	}
	p, err := Open(in.Name())
	switch {
	case err == nil && c.verified(p, id):
		return p, nil
	case err == nil:
		p.Close()
		return nil, nil
	case !errors.Is(err, ErrNotPacked):
		return nil, err
	}
	if p, err = Open(filepath.Join(c.Dir, keyOf(id, l).file(packedSuffix))); err != nil {
		return nil, nil // nothing there, or nothing that Get would take
	}
	return p, nil
}

// inPlace returns the input itself when it is a packed image, nil when it is
// something else.
func (c Cache) inPlace(ctx context.Context, in *source.Input, opts PackOptions) (*Packed, error) {
	id, ok := in.Identity()
	if !ok {
		return nil, nil
	}
	p, err := Open(in.Name())
	if errors.Is(err, ErrNotPacked) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if c.verified(p, id) {
		return p, nil
	}
	if err = p.Verify(ctx, opts.Progress); err == nil {
		err = in.Unchanged()
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	// Not to remember costs one more Verify: no reason to fail.
	if os.MkdirAll(c.Dir, 0o700) == nil && writeMark(c.mark(id), markText(p)) == nil {
		c.prune(keyOf(id, 0), verifiedSuffix)
	}
	return p, nil
}

// mark is the file that says that the packed image with this identity was
// verified.
func (c Cache) mark(id source.Identity) string {
	return filepath.Join(c.Dir, keyOf(id, 0).file(verifiedSuffix))
}

func markText(p *Packed) string { return p.m.ID().String() + "\n" }

func (c Cache) verified(p *Packed, id source.Identity) bool {
	b, err := os.ReadFile(c.mark(id))
	return err == nil && string(b) == markText(p)
}

func writeMark(path, text string) error {
	o, err := newOutput(path, 0o600)
	if err != nil {
		return err
	}
	defer o.discard()
	if _, err := o.file.WriteString(text); err != nil {
		return err
	}
	return o.commit(path)
}

func (c Cache) packUnnamed(ctx context.Context, in *source.Input, opts PackOptions) (*Packed, error) {
	f, err := newScratch(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("create file in cache folder %s: %w: set %s to another", c.Dir, err, CacheVariable)
	}
	if err = packInto(ctx, in, f, c.Dir, opts); err == nil {
		var p *Packed
		if p, err = openFile(f, in.Name()); err == nil {
			return p, nil
		}
	}
	f.Close()
	return nil, err
}

// Files in the cache are called PATH-STATE.img.zst (a packed image) or
// PATH-STATE.verified (a packed image elsewhere was verified: its ID), both
// hashes.
const (
	packedSuffix   = ".img.zst"
	verifiedSuffix = ".verified"
	lockSuffix     = ".lock"
)

// A cacheKey recognises an input: path by its place, state by everything that
// makes a packed image of it outdated.
type cacheKey struct{ path, state string }

func keyOf(id source.Identity, l Level) cacheKey {
	var b []byte
	for _, v := range []uint64{uint64(id.Size), uint64(id.ModTime), id.Inode, uint64(l), manifestVersion, frameVersion} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return cacheKey{path: shortHash([]byte(id.Path)), state: shortHash(b)}
}

func shortHash(b []byte) string {
	h := blake3.Sum256(b)
	return hex.EncodeToString(h[:12])
}

func (k cacheKey) file(suffix string) string { return k.path + "-" + k.state + suffix }

// prune removes what older versions of the input left, and incomplete files
// of processes that died. Who still has one open keeps it.
func (c Cache) prune(key cacheKey, suffix string) {
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return // it only costs room
	}
	keep := key.file(suffix)
	for _, e := range entries {
		name := e.Name()
		old := strings.HasPrefix(name, key.path+"-") && strings.HasSuffix(name, suffix) && name != keep
		dead := strings.HasPrefix(name, "."+key.path+"-") && strings.Contains(name, suffix+".") && strings.HasSuffix(name, partialSuffix)
		if old || dead {
			os.Remove(filepath.Join(c.Dir, name))
		}
	}
}
