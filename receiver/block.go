package receiver

import (
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/protocol"
)

// mostSource is the largest k there is, mostSymbols the largest N.
const (
	mostSource  = protocol.MaxSymbols
	mostSymbols = mostSource + protocol.MaxRepair
)

// bits is a set of symbols or of their places.
type bits [(mostSymbols + 63) / 64]uint64

func (s *bits) has(i int) bool { return s[i>>6]>>(i&63)&1 != 0 }
func (s *bits) add(i int)      { s[i>>6] |= 1 << (i & 63) }

// block gathers the symbols of one block. Source symbols are copied to their
// place in the frame, so that without loss nothing is left to do. A repair
// symbol waits in the place of one that is missing: as many are missing as can
// still come, so a block never needs more memory than its frame.
type block struct {
	object   protocol.Object
	sbn      protocol.SBN
	frameLen int
	layout   protocol.Layout
	buffer   []byte // K*Size bytes and more: the frame
	got      bits   // by ESI
	taken    bits   // places in use, 0..K-1
	repairs  []repair
	held     int // distinct symbols

	way  int       // the lane that it came by, see protocol.Counters
	from origin    // unless it came by multicast
	came time.Time // when it was complete, if it came by multicast
}

// repair is a repair symbol and the place where it waits.
type repair struct {
	esi   protocol.ESI
	place int
}

// need returns how many symbols are still missing.
func (b *block) need() int { return b.layout.K - b.held }

// missing returns how many source symbols are not here.
func (b *block) missing() int { return b.need() + len(b.repairs) }

func (b *block) has(e protocol.ESI) bool { return b.got.has(int(e)) }

// place returns the memory of source symbol i.
func (b *block) place(i int) []byte {
	at := i * b.layout.Size
	return b.buffer[at : at+b.layout.Size : at+b.layout.Size]
}

// add copies a symbol of the right length into the block, unless it is here
// already. The block must not be complete.
func (b *block) add(e protocol.ESI, symbol []byte) {
	if b.has(e) {
		return
	}
	at := int(e)
	if at >= b.layout.K {
		at = b.vacant()
		b.repairs = append(b.repairs, repair{e, at})
	} else if b.taken.has(at) {
		b.move(at)
	}
	p := b.place(at)
	clear(p[copy(p, symbol):])
	b.taken.add(at)
	b.got.add(int(e))
	b.held++
}

// vacant returns a place that nothing is in: the last one, because source
// symbols come in order and it is needed last.
func (b *block) vacant() int {
	i := b.layout.K - 1
	for b.taken.has(i) {
		i--
	}
	return i
}

// move makes room for the source symbol of a place where a repair waits.
func (b *block) move(at int) {
	i := slices.IndexFunc(b.repairs, func(r repair) bool { return r.place == at })
	to := b.vacant()
	copy(b.place(to), b.place(at))
	b.taken.add(to)
	b.repairs[i].place = to
}

// rebuilder restores frames from parity. It belongs to one goroutine.
type rebuilder struct {
	coder *fec.Coder
	rows  [][]byte
	spare []byte // the repair symbols, away from the places that they held
}

func newRebuilder() *rebuilder { return &rebuilder{coder: fec.NewCoder()} }

// frame returns the frame of a complete block.
func (r *rebuilder) frame(b *block) ([]byte, error) {
	if b.missing() == 0 {
		return b.buffer[:b.frameLen], nil
	}
	k, size := b.layout.K, b.layout.Size
	r.rows = slices.Grow(r.rows[:0], k+protocol.MaxRepair)[:k+protocol.MaxRepair]
	clear(r.rows)
	for i := range k {
		r.rows[i] = b.place(i)
		if !b.has(protocol.ESI(i)) {
			r.rows[i] = r.rows[i][:0] // where it is to be rebuilt
		}
	}
	n := len(b.repairs) * size
	r.spare = slices.Grow(r.spare[:0], n)[:n]
	for i, s := range b.repairs {
		p := r.spare[i*size : (i+1)*size : (i+1)*size]
		copy(p, b.place(s.place))
		r.rows[s.esi] = p
	}
	if err := r.coder.Reconstruct(r.rows, k); err != nil {
		return nil, err
	}
	return b.buffer[:b.frameLen], nil
}
