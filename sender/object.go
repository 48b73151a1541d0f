package sender

import (
	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// object is what the scheduler knows of one transport object. Blocks are
// counted 0..n-1 here; zero blocks of the image have no number, because they
// are never sent.
type object struct {
	id     protocol.Object
	n      int
	t      int            // the session's symbol size in bytes
	sent   []protocol.Seq // last sequence that carried a symbol of the block; 0 never
	next   []uint16       // lowest ESI that was never sent; once wrapped, where to go on
	owed   []uint16       // symbols of a repair that is queued; 0 none
	due    []uint16       // symbols that somebody needs when the carousel comes by; 0 none
	wrap   *blockset.Set  // fresh repair symbols are used up: ESIs go round
	whole  *blockset.Set  // to be sent from ESI 0
	later  *blockset.Set  // with symbols due
	lates  bool           // there may be such
	busy   *blockset.Set  // being sent now
	cycle  int            // how many of those the carousel brings
	queue  []int32        // blocks with owed symbols, oldest first, from head on
	head   int
	lacked func(i int) bool // anyone lacks block i
	wanted func(i int) int  // the first block at or after i that anyone lacks; n if none
	image  *image.Manifest  // object 1 only
	size   int64            // object 0 only: bytes of the manifest
}

func newObject(id protocol.Object, n, symbolSize int) *object {
	return &object{
		id: id, n: n, t: symbolSize,
		sent: make([]protocol.Seq, n), next: make([]uint16, n), owed: make([]uint16, n), due: make([]uint16, n),
		wrap: blockset.New(n), whole: blockset.New(n), later: blockset.New(n), busy: blockset.New(n),
	}
}

func manifestObject(size int64, symbolSize int) *object {
	o := newObject(protocol.ObjectManifest, protocol.Blocks(size), symbolSize)
	o.size = size
	return o
}

func imageObject(m *image.Manifest, symbolSize int) *object {
	o := newObject(protocol.ObjectImage, m.DataBlocks(), symbolSize)
	o.image = m
	return o
}

// frameLen returns the length in bytes of block i as it is sent.
func (o *object) frameLen(i int) int {
	if o.image != nil {
		return o.image.FrameLen(i)
	}
	return int(min(protocol.BlockSize, o.size-int64(i)*protocol.BlockSize))
}

func (o *object) layout(i int) protocol.Layout { return protocol.LayoutOf(o.frameLen(i), o.t) }

func (o *object) sbn(i int) protocol.SBN {
	if o.image != nil {
		return o.image.SBN(i)
	}
	return protocol.SBN(i)
}

// from returns the number of the first block at or after s.
func (o *object) from(s protocol.SBN) int {
	if o.image != nil {
		i, _ := o.image.Index(s)
		return i
	}
	return min(int(s), o.n)
}

// lackWhole takes note that somebody held nothing of blocks lo..hi-1 when all
// up to asOf had reached him. A deficit from before the block's last symbol says
// nothing: it may be healed already, and the next report tells. At most some more
// than most blocks are looked at, which does not count those that are to be sent
// already; it returns how many were.
func (o *object) lackWhole(lo, hi int, asOf protocol.Seq, most int) (looks int) {
	const step = 1024
	for ; lo < hi && looks < most; lo += step {
		o.whole.AddMissing(lo, min(hi, lo+step), func(i int) bool {
			looks++
			return o.sent[i] <= asOf && !o.busy.Has(i)
		})
	}
	return looks
}

// lackSome is lackWhole for need symbols too few of each block, to somebody who
// loses that fraction of what is sent. prompt says that the repair may go before
// the carousel, even if that is to bring the whole block to others: who has all
// but a little must not wait for those that have nothing. Otherwise it goes when
// the carousel comes by.
func (o *object) lackSome(lo, hi, need int, asOf protocol.Seq, loss float64, prompt bool) {
	for i := lo; i < hi; i++ {
		if o.sent[i] > asOf || o.busy.Has(i) {
			continue
		}
		count := int(float64(need)/(1-min(loss, mostLoss)) + 0.5)
		switch {
		case need >= o.layout(i).K:
			o.whole.Add(i)
		case prompt && !o.missedOn(i, need, loss):
			if o.owed[i] == 0 {
				o.queue = append(o.queue, int32(i))
			}
			o.owed[i] = max(o.owed[i], o.repair(i, need, count))
		case !o.whole.Has(i):
			if !o.later.Has(i) {
				o.due[i] = 0 // what it says is over
			}
			o.later.Add(i)
			o.lates = true
			o.due[i] = max(o.due[i], uint16(min(count, protocol.MaxSymbols)))
		}
	}
}

// missedOn reports whether need is more of block i than that loss explains:
// somebody came, or found memory, while the block was on its way. Most of the
// others have all of it; so the rest waits for the carousel, which may bring the
// whole block to somebody who comes later still.
func (o *object) missedOn(i, need int, loss float64) bool {
	return float64(need) > 2+float64(o.layout(i).K)*(0.25+1.5*loss)
}

// mostLoss bounds the loss that a repair makes up for in advance: to a receiver
// that loses more, or says so, every symbol is mostly in vain.
const mostLoss = 0.75

// repair returns how many symbols heal a need of block i: count fresh repair
// symbols, which is the need and what the loss will take of them. Once the fresh
// ones are used up the ESIs go round; since the receiver lacks (m+need) of the
// k+m, that many more must be sent for need to be among them.
func (o *object) repair(i, need, count int) uint16 {
	l := o.layout(i)
	if !o.wrap.Has(i) && int(o.next[i])+need > l.N() {
		o.wrap.Add(i)
	}
	if o.wrap.Has(i) {
		lacking := protocol.MaxRepair + need
		count = (count*l.N() + lacking - 1) / lacking
	} else {
		count = min(count, l.N()-int(o.next[i]))
	}
	return uint16(min(count, l.N()))
}

// takeRepair returns the oldest queued repair of a block that anyone still
// lacks. What nobody lacks is never sent.
func (o *object) takeRepair() (job, bool) {
	for o.head < len(o.queue) {
		i := int(o.queue[o.head])
		if o.head++; o.head == len(o.queue) {
			o.queue, o.head = o.queue[:0], 0
		}
		owed := int(o.owed[i])
		o.owed[i] = 0
		if o.busy.Has(i) || !o.lacked(i) {
			continue
		}
		l := o.layout(i)
		o.busy.Add(i)
		return job{object: o, block: i, layout: l, esi: int(o.next[i]) % l.N(), left: owed, repair: true, fresh: true}, true
	}
	return job{}, false
}

// takeNext returns what the carousel brings at or after cursor, wrapping round
// once, and not before all that it brought is through: who waits for no more
// than the last blocks of a cycle shall not share the wire with the next. That is
// a block that is to be sent whole, with parity extra symbols in k, or the
// repair that is due of one. begin says that whole ones may be sent now.
func (o *object) takeNext(cursor int, parity float64, begin bool) (job, bool) {
	for range 2 {
		for i := o.coming(cursor, begin); i < o.n; i = o.coming(i, begin) {
			if next := o.wanted(i); next > i {
				o.drop(i, next)
			} else if o.busy.Has(i) {
				i++ // a repair of it is on its way; the next report tells what that left
			} else {
				return o.take(i, parity), true
			}
		}
		if cursor = 0; o.cycle > 0 {
			break
		}
	}
	return job{}, false
}

// coming returns the first block at or after i that the carousel is to bring.
func (o *object) coming(i int, begin bool) int {
	next := o.n
	if o.lates {
		next = o.later.Next(i)
	}
	if begin {
		next = min(next, o.whole.Next(i))
	}
	return next
}

// drop takes blocks lo..hi-1 from the carousel.
func (o *object) drop(lo, hi int) {
	o.whole.RemoveRange(lo, hi)
	if o.lates {
		o.later.RemoveRange(lo, hi)
		o.lates = o.later.Next(0) < o.n
	}
}

// take makes the job of bringing block i.
func (o *object) take(i int, parity float64) job {
	l := o.layout(i)
	j := job{object: o, block: i, layout: l, repair: true, fresh: true, cycle: true}
	o.cycle++
	if o.whole.Has(i) {
		j.left = l.K + min(protocol.MaxRepair, int(float64(l.K)*parity+0.999))
		j.repair = o.sent[i] != 0
	} else {
		due := int(o.due[i])
		j.left, j.esi = int(o.repair(i, due, due)), int(o.next[i])%l.N()
	}
	o.drop(i, i+1)
	o.due[i] = 0
	o.busy.Add(i)
	return j
}

// finish records that a job's symbols are all sent.
func (o *object) finish(j *job) {
	o.busy.Remove(j.block)
	if j.cycle {
		o.cycle--
	}
	n := j.layout.N()
	if o.wrap.Has(j.block) {
		o.next[j.block] = uint16(j.esi % n)
	} else {
		o.next[j.block] = max(o.next[j.block], uint16(j.esi))
	}
}

// job is one block on its way: left symbols from esi on.
type job struct {
	object *object
	block  int
	layout protocol.Layout
	esi    int // not yet taken modulo N
	left   int
	repair bool // the block was sent before
	cycle  bool // the carousel brings it
	fresh  bool // nothing of it is sent yet: its frame is to be loaded
}
