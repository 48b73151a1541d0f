package receiver

import (
	"unsafe"

	"github.com/pxecast/pxecast/internal/hugepage"
)

// class is the granularity of block buffers in bytes: a block of which next to
// nothing is left by zstd takes one, an incompressible one 65.
const class = 4 << 10

// memory hands out block buffers up to a limit and takes them back. They come
// from one arena, lowest address first, so that no more of it is ever touched
// than was once needed. What the gaps in it are too small for comes from the
// heap: the limit is what counts, not how buffers of many sizes happen to lie.
type memory struct {
	limit int      // bytes
	used  int      // bytes handed out
	arena []byte   // nil: all is from the heap
	sizes []uint16 // by classes of the arena: of the buffer that begins there, 0 none
}

// reserve makes the arena. No buffer may be in use.
func (m *memory) reserve() {
	m.arena = hugepage.Map(m.limit)
	m.sizes = make([]uint16, len(m.arena)/class)
}

// free gives back the arena. No buffer may be used any more.
func (m *memory) free() {
	hugepage.Unmap(m.arena)
	m.arena, m.sizes = nil, nil
}

// get returns a buffer of at least n bytes, or nil when the limit is reached.
func (m *memory) get(n int) []byte {
	k := (n + class - 1) / class
	n = k * class
	if m.used+n > m.limit {
		return nil
	}
	m.used += n
	i, ok := m.gap(k)
	if !ok {
		return make([]byte, n)
	}
	m.sizes[i] = uint16(k)
	at := i * class
	return m.arena[at : at+n : at+n]
}

// gap returns the first k classes of the arena in a row that are free.
func (m *memory) gap(k int) (first int, ok bool) {
	for i := 0; i < len(m.sizes); i++ {
		if s := int(m.sizes[i]); s > 0 {
			i += s - 1
			first = i + 1
		} else if i+1 == first+k {
			return first, true
		}
	}
	return 0, false
}

// put takes back a buffer that get returned.
func (m *memory) put(b []byte) {
	m.used -= len(b)
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(m.arena)))
	if at < uintptr(len(m.arena)) {
		m.sizes[at/class] = 0
	}
}
