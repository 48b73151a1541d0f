package image

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func mustGet(t *testing.T, c Cache, input string, opts PackOptions) *Packed {
	t.Helper()
	p, err := c.Get(t.Context(), input, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func sameInode(t *testing.T, a, b *Packed) bool {
	t.Helper()
	sa, err := a.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	sb, err := b.file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return os.SameFile(sa, sb)
}

func TestCacheKeepsPackedImage(t *testing.T) {
	c := Cache{filepath.Join(t.TempDir(), "made", "when", "needed")}
	raw := diskLike(1, 3<<20)
	in := writeFile(t, "lab.img", raw)
	first := mustGet(t, c, in, PackOptions{})
	if st, err := os.Stat(c.Dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", st, err)
	}
	fail := PackOptions{Progress: func(Progress) { t.Error("packed again") }}
	t.Chdir(filepath.Dir(in))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(in, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{in, "lab.img", "./lab.img", link} {
		if p := mustGet(t, c, name, fail); !sameInode(t, p, first) {
			t.Errorf("%s: another file", name)
		}
	}
	if names := ls(t, c.Dir); len(names) != 1 || !strings.HasSuffix(names[0], ".img.zst") {
		t.Errorf("the cache holds %v", names)
	}
}

func TestCacheFollowsInput(t *testing.T) {
	c := Cache{t.TempDir()}
	in := writeFile(t, "lab.img", noise(1, 2<<20))
	other := mustGet(t, c, writeFile(t, "other.img", noise(3, 1000)), PackOptions{})
	first := mustGet(t, c, in, PackOptions{})
	for name, change := range map[string]func() error{
		"content, same size": func() error {
			b := noise(2, 2<<20)
			return errors.Join(os.WriteFile(in, b, 0o600), os.Chtimes(in, time.Time{}, time.Unix(5, 6)))
		},
		"time": func() error { return os.Chtimes(in, time.Time{}, time.Unix(7, 8)) },
		"another file, same size and time": func() error {
			b := noise(4, 2<<20)
			return errors.Join(os.WriteFile(in+"2", b, 0o600), os.Chtimes(in+"2", time.Time{}, time.Unix(7, 8)), os.Rename(in+"2", in))
		},
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(in)
		if err != nil {
			t.Fatal(err)
		}
		p := mustGet(t, c, in, PackOptions{})
		if err := VerifyDisk(t.Context(), p.Manifest(), bytes.NewReader(b), int64(len(b)), nil); err != nil {
			t.Errorf("%s: stale: %v", name, err)
		}
		if names := ls(t, c.Dir); len(names) != 2 {
			t.Errorf("%s: the cache holds %v", name, names)
		}
	}
	// Who had the old one open still has all of it.
	for _, p := range []*Packed{first, other} {
		if err := p.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
}

func TestCacheByLevel(t *testing.T) {
	c := Cache{t.TempDir()}
	in := writeFile(t, "lab.img", diskLike(4, 2<<20))
	a, b := mustGet(t, c, in, PackOptions{}), mustGet(t, c, in, PackOptions{Level: Better})
	if a.Manifest().ID() == b.Manifest().ID() || b.Manifest().PackedSize() >= a.Manifest().PackedSize() {
		t.Errorf("better is not smaller: %d, %d bytes", b.Manifest().PackedSize(), a.Manifest().PackedSize())
	}
}

func TestCacheReplacesDamagedFile(t *testing.T) {
	c := Cache{t.TempDir()}
	in := writeFile(t, "lab.img", noise(1, 1<<20))
	mustGet(t, c, in, PackOptions{})
	path := filepath.Join(c.Dir, ls(t, c.Dir)[0])
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if err := mustGet(t, c, in, PackOptions{}).Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// Many at once do the work once.
func TestCacheConcurrent(t *testing.T) {
	c := Cache{t.TempDir()}
	in := writeFile(t, "lab.img", noise(1, 4<<20))
	got := make([]*Packed, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			p, err := c.Get(context.Background(), in, PackOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			got[i] = p
		})
	}
	wg.Wait()
	for _, p := range got {
		if p == nil {
			t.FailNow()
		}
		defer p.Close()
		if !sameInode(t, p, got[0]) {
			t.Error("it was packed more than once")
		}
	}
	if names := ls(t, c.Dir); len(names) != 1 {
		t.Errorf("the cache holds %v", names)
	}
}

func TestCacheWaitIsCancellable(t *testing.T) {
	c := Cache{t.TempDir()}
	key := cacheKey{path: "p", state: "s"}
	unlock, err := c.lock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.lock(ctx, key); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	unlock()
	unlock, err = c.lock(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if names := ls(t, c.Dir); len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
}

func TestCacheUsesPackedImageInPlace(t *testing.T) {
	c := Cache{t.TempDir()}
	file, raw := smallPacked(t)
	in := writeFile(t, "lab.img.zst", file)
	verified := 0
	opts := PackOptions{Progress: func(Progress) { verified++ }}
	p := mustGet(t, c, in, opts)
	if p.Name() != in || p.Manifest().RawSize() != int64(len(raw)) {
		t.Errorf("got %s of %d bytes", p.Name(), p.Manifest().RawSize())
	}
	if verified == 0 {
		t.Error("it was not verified")
	}
	verified = 0
	mustGet(t, c, in, opts)
	if verified != 0 {
		t.Error("it was verified again")
	}
	// A change that Open does not see, at another time.
	file[40] ^= 1
	if err := errors.Join(os.WriteFile(in, file, 0o600), os.Chtimes(in, time.Time{}, time.Unix(1, 2))); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), in, opts); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("damaged packed image: %v", err)
	}
	for _, name := range ls(t, c.Dir) {
		if strings.HasSuffix(name, packedSuffix) {
			t.Errorf("the cache holds a copy, %s", name)
		}
	}
}

func TestCacheStdin(t *testing.T) {
	c := Cache{t.TempDir()}
	raw := diskLike(6, 2<<20)
	onStdin(t, raw)
	p := mustGet(t, c, "-", PackOptions{})
	if err := p.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if p.Name() != "standard input" || len(ls(t, c.Dir)) != 0 {
		t.Errorf("name %q, the cache holds %v", p.Name(), ls(t, c.Dir))
	}
}

func TestCachePrunesDeadTemporaries(t *testing.T) {
	c := Cache{t.TempDir()}
	in := writeFile(t, "lab.img", noise(1, 1000))
	p := mustGet(t, c, in, PackOptions{})
	mine := partialName(p.Name())
	others := partialName(filepath.Join(c.Dir, "0123-4567"+packedSuffix))
	for _, name := range []string{mine, others} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(in, time.Time{}, time.Unix(1, 2)); err != nil {
		t.Fatal(err)
	}
	mustGet(t, c, in, PackOptions{})
	if _, err := os.Stat(mine); err == nil {
		t.Error("an incomplete file of this input is still there")
	}
	if _, err := os.Stat(others); err != nil {
		t.Error("someone else's incomplete file was removed")
	}
}

func TestDefaultCache(t *testing.T) {
	t.Setenv(CacheVariable, "/somewhere")
	if c, err := DefaultCache(); err != nil || c.Dir != "/somewhere" {
		t.Errorf("%v, %v", c, err)
	}
	t.Setenv(CacheVariable, "")
	t.Setenv("XDG_CACHE_HOME", "/home/x/.cache")
	want := "/home/x/.cache/pxecast"
	if os.Geteuid() == 0 {
		want = "/var/cache/pxecast"
	}
	if c, err := DefaultCache(); err != nil || c.Dir != want {
		t.Errorf("%v, %v", c, err)
	}
}
