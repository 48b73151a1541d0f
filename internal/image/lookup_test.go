package image

import (
	"os"
	"testing"
	"time"
)

// Lookup finds what Get left, and never works itself.
func TestLookup(t *testing.T) {
	c := Cache{t.TempDir()}
	in := writeFile(t, "lab.img", diskLike(1, 3<<20))
	find := func(input string, l Level) *Packed {
		t.Helper()
		p, err := c.Lookup(input, l)
		if err != nil {
			t.Fatal(err)
		}
		if p != nil {
			t.Cleanup(func() { p.Close() })
		}
		return p
	}
	if find(in, 0) != nil || len(ls(t, c.Dir)) != 0 {
		t.Fatal("found before it was packed")
	}
	made := mustGet(t, c, in, PackOptions{})
	if p := find(in, 0); p == nil || !sameInode(t, p, made) {
		t.Errorf("found %v, not what Get made", p)
	}
	if find(in, Better) != nil {
		t.Error("found at another level")
	}
	inPlace := made.Name()
	if find(inPlace, 0) != nil {
		t.Error("a packed image that nobody verified")
	}
	mustGet(t, c, inPlace, PackOptions{})
	if p := find(inPlace, Better); p == nil || !sameInode(t, p, made) {
		t.Errorf("found %v, not the verified one in its place", p)
	}
	if err := os.Chtimes(in, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if find(in, 0) != nil {
		t.Error("found for a file that changed")
	}
	if _, err := c.Lookup(t.TempDir(), 0); err == nil {
		t.Error("found for a folder")
	}
}

func TestDupOutlivesTheFirst(t *testing.T) {
	p := mustGet(t, Cache{t.TempDir()}, writeFile(t, "lab.img", diskLike(1, 3<<20)), PackOptions{})
	again, err := p.Dup()
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := os.Remove(p.Name()); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := again.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	if _, err := p.Dup(); err == nil {
		t.Error("a closed one can be had again")
	}
}
