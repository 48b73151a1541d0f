package hugepage_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/pxecast/pxecast/internal/hugepage"
)

func TestMap(t *testing.T) {
	for _, n := range []int{1, 4096, hugepage.Size, hugepage.Size + 1, 3*hugepage.Size - 1} {
		b := hugepage.Map(n)
		want := (n + hugepage.Size - 1) / hugepage.Size * hugepage.Size
		if len(b) != want || cap(b) != want || uintptr(unsafe.Pointer(&b[0]))%hugepage.Size != 0 {
			t.Fatalf("%d bytes: %d at %p, want %d in whole huge pages", n, len(b), &b[0], want)
		}
		if bytes.Count(b, []byte{0}) != want {
			t.Errorf("%d bytes: not zero", n)
		}
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hugepage.Unmap(b)
	}
}

// TestMappings: what is unmapped is gone, the surplus that alignment takes too.
func TestMappings(t *testing.T) {
	before := virtual(t)
	maps := make([][]byte, 100)
	for i := range maps {
		maps[i] = hugepage.Map(64 << 20)
	}
	if grown := virtual(t) - before; grown < 6400<<10 {
		t.Fatalf("100 times 64 MiB took %d KiB", grown)
	}
	for _, b := range maps {
		hugepage.Unmap(b)
	}
	// The runtime may map some for itself.
	if left := virtual(t) - before; left > 128<<10 {
		t.Errorf("%d KiB are left", left)
	}
}

func TestNoRoom(t *testing.T) {
	if b := hugepage.Map(1 << 50); b != nil {
		t.Errorf("mapped a pebibyte")
	}
	hugepage.Unmap(nil)
}

// virtual returns the address space of this process in KiB, VmSize of
// proc_pid_status(5).
func virtual(t *testing.T) (kib int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc: ", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmSize:"); ok {
			for _, c := range rest {
				if c >= '0' && c <= '9' {
					kib = kib*10 + int(c-'0')
				}
			}
		}
	}
	return kib
}
