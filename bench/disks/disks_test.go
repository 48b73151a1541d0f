package disks

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNoiseIsMadeOnceAndUnpacksToItself(t *testing.T) {
	const size = 1<<20 + 17
	cache := t.TempDir()
	d, err := Noise(t.Context(), cache, size, 7)
	if err != nil {
		t.Fatal(err)
	}
	raw := filepath.Join(t.TempDir(), "raw")
	if err := d.Raw(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, size)
	if _, err := io.ReadFull(NoiseReader(7), want); err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) || d.RawSize != size {
		t.Errorf("%d bytes unpacked, %d recorded; not the noise of this seed", len(got), d.RawSize)
	}
	if fi, _ := os.Stat(d.Path); fi.Size() < size {
		t.Errorf("noise compressed to %d of %d bytes", fi.Size(), size)
	}
	before, _ := os.Stat(d.Path)
	again, err := Noise(t.Context(), cache, size, 7)
	if err != nil || again != d {
		t.Errorf("the second time: %+v, %v, want %+v", again, err, d)
	}
	if after, _ := os.Stat(again.Path); !after.ModTime().Equal(before.ModTime()) {
		t.Error("it was made again")
	}
}

func TestRawRefusesADamagedImage(t *testing.T) {
	d, err := Noise(t.Context(), t.TempDir(), 4096, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.SHA256 = strings.Repeat("0", 64)
	raw := filepath.Join(t.TempDir(), "raw")
	if err := d.Raw(t.Context(), raw); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("got %v, want an error that says what to do", err)
	}
	if _, err := os.Stat(raw); !errors.Is(err, os.ErrNotExist) {
		t.Error("the wrong raw image was left behind")
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	cache := t.TempDir()
	broken := errors.New("broken")
	_, err := cached(t.Context(), cache, "x", func(scratch string) (Disk, error) {
		if err := os.MkdirAll(filepath.Join(scratch, "out"), 0o755); err != nil {
			t.Fatal(err)
		}
		return Disk{}, broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(cache, "*"))
	if want := []string{filepath.Join(cache, "lock")}; !slices.Equal(left, want) {
		t.Errorf("left behind: %v", left)
	}
	if err := os.MkdirAll(filepath.Join(cache, "building-dead", "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Noise(context.Background(), cache, 10, 1); err != nil {
		t.Fatal(err)
	}
	if dead, _ := filepath.Glob(filepath.Join(cache, "building-*")); len(dead) > 0 {
		t.Errorf("a killed build's folder is still there: %v", dead)
	}
}
