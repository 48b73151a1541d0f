package receiver

// class is the granularity of block buffers in bytes: a block of which next to
// nothing is left by zstd takes one, an incompressible one 65.
const class = 4 << 10

// memory hands out block buffers up to a limit and takes them back. What comes
// back is kept for the next block, within the limit too: the sizes that blocks
// compress to change along a disk, and the buffers of one region must not be
// kept beside those of the next.
type memory struct {
	limit int        // bytes
	used  int        // bytes handed out
	made  int        // bytes handed out or kept
	pools [][][]byte // kept, by classes
}

// get returns a buffer of at least n bytes, or nil when the limit is reached.
func (m *memory) get(n int) []byte {
	k := (n + class - 1) / class
	if m.used+k*class > m.limit {
		return nil
	}
	// One of up to twice the size is better than one that must be made.
	for i := k; i < min(2*k+1, len(m.pools)); i++ {
		if m.used+i*class <= m.limit && len(m.pools[i]) > 0 {
			m.used += i * class
			return m.take(i)
		}
	}
	for i := len(m.pools) - 1; m.made+k*class > m.limit; {
		if len(m.pools[i]) == 0 {
			i--
			continue
		}
		m.made -= len(m.take(i))
	}
	m.used += k * class
	m.made += k * class
	return make([]byte, k*class)
}

// take removes a buffer of i classes from those kept.
func (m *memory) take(i int) []byte {
	p := m.pools[i]
	b := p[len(p)-1]
	p[len(p)-1] = nil
	m.pools[i] = p[:len(p)-1]
	return b
}

// put takes back a buffer that get returned.
func (m *memory) put(b []byte) {
	k := len(b) / class
	for len(m.pools) <= k {
		m.pools = append(m.pools, nil)
	}
	m.used -= len(b)
	m.pools[k] = append(m.pools[k], b)
}
