package lane

import (
	"errors"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// piece is a row of blocks that one transfer fetches.
type piece struct{ first, last protocol.SBN }

// pieces cuts first..last into rows for parallel transfers, each short enough
// for a name, that begin and end with a data block.
func pieces(m *image.Manifest, first, last protocol.SBN) (all []piece) {
	from, to := indexes(m, first, last)
	most := max(1, min(MaxRange, (to-from+parallel-1)/parallel))
	for i := from; i < to; {
		p := piece{m.SBN(i), m.SBN(i)}
		for i++; i < to; i++ {
			s := m.SBN(i)
			if s-p.first >= protocol.SBN(most) {
				break
			}
			p.last = s
		}
		all = append(all, p)
	}
	return all
}

// cutter cuts what a transfer brings into frames.
type cutter struct {
	m        *image.Manifest
	next, to int // index of the frame that is being put together, and past the last
	frame    []byte
	each     func(s protocol.SBN, frame []byte) error
}

var errLonger = errors.New("more than the manifest says")

// Write implements io.Writer.
func (c *cutter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		if c.next == c.to {
			return n, &Fault{Did: TooLong, Err: errLonger}
		}
		want := c.m.FrameLen(c.next)
		part := p[n:min(len(p), n+want-len(c.frame))]
		c.frame = append(c.frame, part...)
		n += len(part)
		if len(c.frame) == want {
			if err := c.each(c.m.SBN(c.next), c.frame); err != nil {
				return n, err
			}
			c.frame = c.frame[:0]
			c.next++
		}
	}
	return n, nil
}
