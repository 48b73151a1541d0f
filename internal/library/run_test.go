package library

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
)

// patience bounds what a test waits for that always comes.
const patience = 30 * time.Second

// running is a library that runs by itself, in real time; but it waits, whenever
// something has changed, until the test has looked at it.
type running struct {
	*shop
	changed, seen chan struct{}
	stop          func() error
}

func run(t *testing.T, folder, cache string, hasten func(*Library)) *running {
	t.Helper()
	r := &running{shop: &shop{t: t, folder: folder}, changed: make(chan struct{}), seen: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := newLibrary(Config{Folder: folder, Cache: image.Cache{Dir: cache}, Changed: func() {
		select {
		case r.changed <- struct{}{}:
			<-r.seen
		case <-ctx.Done():
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	l.rest, l.rescan = 50*time.Millisecond, time.Hour
	hasten(l)
	l.shelf.rest = l.rest
	r.Library = l
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(patience):
			t.Fatal("Run does not end")
			return nil
		}
	}
	t.Cleanup(func() { r.stop() })
	return r
}

// until waits for the library to tell of what makes f true.
func (r *running) until(what string, f func() bool) {
	r.t.Helper()
	late := time.After(patience)
	for met := f(); !met; {
		select {
		case <-r.changed:
			met = f()
			r.seen <- struct{}{}
		case <-late:
			r.t.Fatalf("waited for %s; there is %v", what, r.problems())
		}
	}
}

func (r *running) becomes(name, problem string) {
	r.t.Helper()
	r.until(name+": "+problem, func() bool {
		got, ok := r.problems()[name]
		return ok && (got == "") == (problem == "") && strings.HasPrefix(got, problem)
	})
}

// The kernel tells of files and scripts that appear, change and go; nothing is
// looked at in between (the next rescan is an hour away).
func TestNewFilesAppear(t *testing.T) {
	r := run(t, t.TempDir(), t.TempDir(), func(*Library) {})
	r.write("lab.img", disk(1, 2))
	r.becomes("lab", "")
	r.holds("lab", disk(1, 2))
	r.write("lab.d/post", []byte(postScript))
	r.until("post", func() bool { i := r.image("lab"); return i.Problem == "" && i.Post != nil })
	r.write("lab.d/post", []byte(initScript))
	r.until("another post", func() bool {
		i := r.image("lab")
		return i.Post != nil && i.Post.Digest == image.Sum([]byte(initScript))
	})
	elsewhere := filepath.Join(t.TempDir(), "room.img.gz")
	if err := os.WriteFile(elsewhere, gz(t, disk(2, 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(elsewhere, filepath.Join(r.folder, "room.img.gz")); err != nil {
		t.Fatal(err)
	}
	r.becomes("room", "")
	if err := os.Remove(filepath.Join(r.folder, "lab.img")); err != nil {
		t.Fatal(err)
	}
	r.until("lab to go", func() bool { _, ok := r.problems()["lab"]; return !ok })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, _, err := r.Take(r.image("room").ID); err == nil {
		t.Error("taken after the end")
	}
}

// Somebody copies a large file, and the kernel tells nobody when the copy is
// complete: that it rests must be noticed.
func TestCopyWhileRunning(t *testing.T) {
	r := run(t, t.TempDir(), t.TempDir(), func(*Library) {})
	raw := disk(1, 4)
	f, err := os.Create(filepath.Join(r.folder, "lab.img"))
	if err != nil {
		t.Fatal(err)
	}
	r.becomes("lab", "still being copied")
	for part := range 8 {
		f.Write(raw[part<<19 : (part+1)<<19])
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	r.becomes("lab", "")
	r.holds("lab", raw)
}

// On a file system that tells of nothing, the rescan finds what is new.
func TestRescan(t *testing.T) {
	folder, cache := t.TempDir(), t.TempDir()
	hidden := filepath.Join(folder, "mount")
	r := run(t, folder, cache, func(l *Library) {
		l.rescan = 100 * time.Millisecond
		l.cfg.Folder = hidden // is not there: it can't be watched
	})
	if err := os.Mkdir(hidden, 0o755); err != nil {
		t.Fatal(err)
	}
	r.folder = hidden
	r.write("lab.img", disk(1, 2))
	r.becomes("lab", "")
}

// Packing ends with its context and leaves nothing behind, and the next server does
// it. It also ends when its file goes.
func TestPackingIsInterrupted(t *testing.T) {
	folder, cache := t.TempDir(), t.TempDir()
	raw := disk(1, 96)
	r := run(t, folder, cache, func(*Library) {})
	r.write("lab.img", raw)
	r.becomes("lab", "being packed")
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	empty := func() {
		t.Helper()
		left, err := os.ReadDir(cache)
		if err != nil || len(left) != 0 {
			t.Errorf("left in the cache: %v, %v", left, err)
		}
	}
	empty()

	r = run(t, folder, cache, func(*Library) {})
	r.becomes("lab", "being packed")
	if err := os.Remove(filepath.Join(folder, "lab.img")); err != nil {
		t.Fatal(err)
	}
	r.until("lab to go", func() bool { return len(r.Images()) == 0 })
	small := disk(2, 2)
	r.write("small.img", small) // waits for the other to end
	r.becomes("small", "")
	r.holds("small", small)
	if err := os.Remove(filepath.Join(folder, "small.img")); err != nil {
		t.Fatal(err)
	}
	r.write("lab.img", raw)
	r.becomes("lab", "")
	r.holds("lab", raw)
}

// What is changed while it is packed is packed anew.
func TestChangedWhilePacked(t *testing.T) {
	r := run(t, t.TempDir(), t.TempDir(), func(*Library) {})
	r.write("lab.img", disk(1, 96))
	r.becomes("lab", "being packed")
	r.write("lab.img", disk(2, 2))
	r.becomes("lab", "")
	r.holds("lab", disk(2, 2))
}
