package disk

import (
	"os"
	"path/filepath"
	"testing"
)

// A file's holes are known without reading them; past its end nothing is.
func TestNextData(t *testing.T) {
	places(t, func(t *testing.T, folder string) {
		path := filepath.Join(folder, "sparse")
		f, err := os.Create(path)
		must(t, err)
		defer f.Close()
		must(t, f.Truncate(8<<20))
		_, err = f.WriteAt([]byte("data"), 4<<20)
		must(t, err)
		tgt, err := Lock(path, 16<<20)
		must(t, err)
		defer tgt.Close()
		for off, want := range map[int64]int64{0: 4 << 20, 1 << 20: 4 << 20, 4 << 20: 4 << 20, 6 << 20: 8 << 20, 8 << 20: 8 << 20, 9 << 20: 9 << 20} {
			got := tgt.NextData(off)
			if got != want && got != off { // a file system may not tell, and round down
				t.Errorf("from %d on, data begins at %d, want %d", off, got, want)
			}
			if got != want && folder[:8] == "/dev/shm" {
				t.Errorf("tmpfs does not tell of the hole at %d", off)
			}
		}
	})
}

// Zeros that a command makes are no writes, others are.
func TestZeroWrites(t *testing.T) {
	for _, punch := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "disk")
		must(t, os.WriteFile(path, noise(random(t), 8<<20), 0o600))
		tgt, err := Open(path, 8<<20)
		must(t, err)
		defer tgt.Close()
		r := tgt.m.(*raw)
		if r.noPunch.Load() {
			t.Skip("this file system has no holes")
		}
		r.noPunch.Store(!punch)
		before := tgt.ZeroWrites()
		must(t, tgt.Zero(t.Context(), 1<<20, 3<<20))
		want := int64(3 << 20)
		if punch {
			want = 0
		}
		if got := tgt.ZeroWrites() - before; got != want {
			t.Errorf("punch %v: %d bytes of zeros written, want %d", punch, got, want)
		}
	}
}
