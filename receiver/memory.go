package receiver

// class is the granularity of block buffers in bytes: an incompressible block
// takes nine, a typical one four.
const class = 32 << 10

// memory hands out block buffers up to a limit and takes them back. Nothing is
// freed: the next block needs it again.
type memory struct {
	limit int // bytes
	used  int
	pools [][][]byte // by classes
}

// reserve is the part of the limit that no new block may take: it is for the
// repair symbols of those begun, so that they can complete.
func (m *memory) reserve() int { return m.limit / 5 }

// begin returns a buffer of at least n bytes for a new block, or nil.
func (m *memory) begin(n int) []byte {
	if n+class > m.room() {
		return nil
	}
	return m.get(n)
}

// get returns a buffer of at least n bytes, or nil when the limit is reached.
func (m *memory) get(n int) []byte {
	k := (n + class - 1) / class
	if m.used+k*class > m.limit {
		return nil
	}
	m.used += k * class
	for len(m.pools) <= k {
		m.pools = append(m.pools, nil)
	}
	if p := m.pools[k]; len(p) > 0 {
		b := p[len(p)-1]
		m.pools[k] = p[:len(p)-1]
		return b
	}
	return make([]byte, k*class)
}

// put takes back a buffer that get returned.
func (m *memory) put(b []byte) {
	if b == nil {
		return
	}
	m.used -= len(b)
	k := len(b) / class
	m.pools[k] = append(m.pools[k], b)
}

// room returns the bytes that new blocks may still take.
func (m *memory) room() int { return max(0, m.limit-m.reserve()-m.used) }
