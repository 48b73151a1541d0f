package lane

import (
	"sync/atomic"
	"time"
)

// served counts what a server sent.
type served struct {
	bytes, blocks, last atomic.Int64 // last: Unix time in nanoseconds
}

func (s *served) add(bytes, blocks int) {
	s.bytes.Add(int64(bytes))
	s.blocks.Add(int64(blocks))
	if blocks > 0 { // who only asks what is here keeps nobody
		s.last.Store(time.Now().UnixNano())
	}
}

// Served returns the bytes of content sent, the blocks sent whole, and when
// the last of these was; the zero time if never.
func (s *served) Served() (bytes, blocks int64, last time.Time) {
	if ns := s.last.Load(); ns != 0 {
		last = time.Unix(0, ns)
	}
	return s.bytes.Load(), s.blocks.Load(), last
}
