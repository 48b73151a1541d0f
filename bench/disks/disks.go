// Package disks makes the disk images that demo and benchmarks send: a real
// one, of Debian packages, and noise. Images are kept in a folder and made
// once.
package disks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Disk is a finished image.
type Disk struct {
	Path    string `json:"-"`        // the gzip file
	RawSize int64  `json:"raw_size"` // bytes of the disk
	SHA256  string `json:"sha256"`   // of the disk's bytes, hexadecimal
}

const (
	imageName = "disk.img.gz"
	factsName = "disk.json"
)

// CacheDir is where images are kept: $XDG_CACHE_HOME/pxecast-bench; without
// that variable /var/cache/pxecast-bench for root, and the user's own cache
// folder for others.
func CacheDir() (string, error) {
	if os.Getenv("XDG_CACHE_HOME") == "" && os.Geteuid() == 0 {
		return "/var/cache/pxecast-bench", nil
	}
	dir, err := os.UserCacheDir()
	return filepath.Join(dir, "pxecast-bench"), err
}

// Raw unpacks the image into a new sparse file and checks its digest. The file
// is removed again if that fails.
func (d Disk) Raw(ctx context.Context, path string) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			os.Remove(path)
		}
	}()
	cmd := exec.CommandContext(ctx, "gzip", "-dc", d.Path)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := copySparse(out, io.TeeReader(stdout, sum))
	if werr := cmd.Wait(); err == nil {
		err = werr
	}
	if err != nil {
		return fmt.Errorf("unpacking %s: %w", d.Path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != d.SHA256 || n != d.RawSize {
		return fmt.Errorf("%s holds %d bytes with SHA-256 %s, want %d and %s; delete it to make it anew", d.Path, n, got, d.RawSize, d.SHA256)
	}
	return nil
}

// copySparse copies, leaving holes for zeros.
func copySparse(out *os.File, in io.Reader) (int64, error) {
	buf := make([]byte, 64<<10)
	zeros := make([]byte, len(buf))
	var n int64
	for {
		m, err := io.ReadFull(in, buf)
		if m > 0 && string(buf[:m]) != string(zeros[:m]) {
			if _, werr := out.WriteAt(buf[:m], n); werr != nil {
				return n, werr
			}
		}
		n += int64(m)
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return n, out.Truncate(n)
		case err != nil:
			return n, err
		}
	}
}

// open returns the finished image in dir, or fs.ErrNotExist.
func open(dir string) (Disk, error) {
	facts, err := os.ReadFile(filepath.Join(dir, factsName))
	if err != nil {
		return Disk{}, err
	}
	var d Disk
	if err := json.Unmarshal(facts, &d); err != nil {
		return Disk{}, fmt.Errorf("%s: %w", filepath.Join(dir, factsName), err)
	}
	d.Path = filepath.Join(dir, imageName)
	_, err = os.Stat(d.Path)
	return d, err
}

// cached returns the image in cache/name, or lets build make it in a scratch
// folder that replaces cache/name in one step when it is complete. One process
// builds at a time; the others wait and find it done.
func cached(ctx context.Context, cache, name string, build func(scratch string) (Disk, error)) (Disk, error) {
	dir := filepath.Join(cache, name)
	if d, err := open(dir); !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Disk{}, err
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return Disk{}, err
	}
	defer lock.Close() // and with it the lock, in a crash too
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return Disk{}, err
	}
	if d, err := open(dir); !errors.Is(err, fs.ErrNotExist) {
		return d, err
	}
	// With the lock held, scratch folders can only be those of the dead.
	if err := removeScratch(cache); err != nil {
		return Disk{}, err
	}
	scratch, err := os.MkdirTemp(cache, "building-")
	if err != nil {
		return Disk{}, err
	}
	defer removeScratch(cache)
	if _, err := build(scratch); err != nil {
		return Disk{}, err
	}
	if err := os.RemoveAll(dir); err != nil {
		return Disk{}, err
	}
	if err := os.Rename(filepath.Join(scratch, "out"), dir); err != nil {
		return Disk{}, err
	}
	return open(dir)
}

func removeScratch(cache string) error {
	old, err := filepath.Glob(filepath.Join(cache, "building-*"))
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// finish compresses the raw image into scratch/out, with its facts beside it.
func finish(ctx context.Context, scratch, raw string) (Disk, error) {
	out := filepath.Join(scratch, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return Disk{}, err
	}
	in, err := os.Open(raw)
	if err != nil {
		return Disk{}, err
	}
	defer in.Close()
	packed, err := os.Create(filepath.Join(out, imageName))
	if err != nil {
		return Disk{}, err
	}
	defer packed.Close()
	sum := sha256.New()
	count := &counter{}
	// Level 1: what is made of the image does not depend on the level, the
	// minute that it takes does.
	cmd := exec.CommandContext(ctx, "gzip", "-1nc")
	cmd.Stdin = io.TeeReader(in, io.MultiWriter(sum, count))
	cmd.Stdout = packed
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return Disk{}, fmt.Errorf("gzip: %w: %s", err, said.String())
	}
	d := Disk{RawSize: count.n, SHA256: hex.EncodeToString(sum.Sum(nil))}
	facts, err := json.MarshalIndent(d, "", "\t")
	if err != nil {
		return Disk{}, err
	}
	if err := packed.Sync(); err != nil {
		return Disk{}, err
	}
	return d, os.WriteFile(filepath.Join(out, factsName), append(facts, '\n'), 0o644)
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
