package receiver

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/pxecast/pxecast/protocol"
)

// TestMemoryKeepsToItsLimit: blocks of all sizes come and go in any order, and
// the limit alone decides what is refused.
func TestMemoryKeepsToItsLimit(t *testing.T) {
	for name, reserved := range map[string]bool{"arena": true, "heap": false} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 1))
			m := memory{limit: 4 << 20}
			if reserved {
				m.reserve()
				defer m.free()
			}
			var out [][]byte
			used, full, elsewhere := 0, 0, 0
			for i := range 100_000 {
				if r.IntN(2) == 0 && len(out) > 0 {
					k := r.IntN(len(out))
					used -= len(out[k])
					unmark(t, out[k])
					m.put(out[k])
					out[k] = out[len(out)-1]
					out = out[:len(out)-1]
				} else if n := 1 + r.IntN(10+i*2)%protocol.MaxFrame; used+(n+class-1)/class*class > m.limit {
					if full++; m.get(n) != nil {
						t.Fatal("beyond the limit")
					}
				} else {
					b := m.get(n)
					if len(b) < n || cap(b) != len(b) {
						t.Fatalf("a buffer of %d bytes, capacity %d, for %d", len(b), cap(b), n)
					}
					if !inside(m.arena, b) {
						elsewhere++
					}
					mark(b)
					out = append(out, b)
					used += len(b)
				}
				if used != m.used {
					t.Fatalf("%d bytes are out; it counts %d", used, m.used)
				}
			}
			if full == 0 || elsewhere == 0 {
				t.Errorf("%d times full, %d times from the heap: the test shows nothing", full, elsewhere)
			}
			for _, b := range out {
				m.put(b)
			}
			if m.used != 0 {
				t.Errorf("%d bytes are lost", m.used)
			}
			if b := m.get(m.limit); b == nil || inside(m.arena, b) != reserved {
				t.Error("gaps of the arena were lost")
			}
		})
	}
}

// mark writes the buffer's length to all of its pages, unmark sees that nobody
// else wrote there.
func mark(b []byte) {
	for i := 0; i < len(b); i += class {
		b[i] = byte(len(b) / class)
	}
}

func unmark(t *testing.T, b []byte) {
	for i := 0; i < len(b); i += class {
		if b[i] != byte(len(b)/class) {
			t.Fatal("two buffers overlap")
		}
	}
}

func inside(arena, b []byte) bool {
	return uintptr(unsafe.Pointer(&b[0]))-uintptr(unsafe.Pointer(unsafe.SliceData(arena))) < uintptr(len(arena))
}

// TestMemoryTouchesLittle: buffers that follow each other use the same memory.
func TestMemoryTouchesLittle(t *testing.T) {
	m := memory{limit: 64 << 20}
	m.reserve()
	defer m.free()
	var out [][]byte
	for range 1000 {
		if out = append(out, m.get(protocol.MaxFrame)); len(out) == 16 {
			m.put(out[0])
			out = out[1:]
		}
	}
	for _, b := range out {
		if !inside(m.arena[:16*len(b)], b) {
			t.Error("a buffer lies beyond what sixteen take")
		}
	}
}
