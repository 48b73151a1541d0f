package receiver

import (
	"slices"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// collector gathers symbols into blocks, within a bound of memory, and knows
// what is still lacking. It is a value without sockets or clock; one goroutine
// owns it.
type collector struct {
	symbolSize   int
	manifestSize int64
	memory       memory
	objects      [2]collection
	manifest     *image.Manifest // nil until object 0 is complete
	last         *block          // that the last symbol went to: most follow their like
	blocks       []*block        // to be used again
	sorted       []protocol.SBN  // scratch of deficits

	counters  protocol.Counters
	first     protocol.Seq // of this session
	asOf      protocol.Seq // highest seen
	gaps      gaps
	announced protocol.Seq // highest that the sender signed for
	before    protocol.Seq // asOf when it last did
	since     struct {     // as it was when the last symbol came
		asOf     protocol.Seq
		received uint64
	}
}

// collection is what the collector has of one object.
type collection struct {
	have *blockset.Set // complete: held, being written or written
	shed *blockset.Set // refused for want of memory and not begun since
	open map[protocol.SBN]*block
	from protocol.SBN // where the next report's deficits begin
	to   protocol.SBN // blocks from here on may be on the disk: they count neither as lacking nor as had
}

func newCollector(a *protocol.Announce, memoryLimit int) *collector {
	c := &collector{symbolSize: a.SymbolSize, manifestSize: int64(a.ManifestSize), announced: a.Highest}
	c.memory.limit, c.since.asOf = memoryLimit, a.Highest
	for i, size := range [...]int64{int64(a.ManifestSize), a.RawSize} {
		n := protocol.Blocks(size)
		c.objects[i] = collection{have: blockset.New(n), shed: blockset.New(n), open: map[protocol.SBN]*block{}, to: protocol.SBN(n)}
	}
	return c
}

// ahead is how far a sequence number may be above the last one announced: what
// 10 Gb/s sends in ten seconds. One further ahead is forged; to believe it
// would make all reports after it nonsense.
const ahead = 1 << 24

// hear takes the highest sequence number of an announcement, which is signed.
// What was seen before the announcement before it must be below: otherwise it
// was forged, and the sender would ignore all reports that tell of it.
func (c *collector) hear(highest protocol.Seq) {
	c.announced = highest
	if c.before > highest {
		c.asOf, c.first, c.since.asOf = highest, min(c.first, highest), min(c.since.asOf, highest)
		c.gaps.cut(highest)
	}
	c.before = c.asOf
}

// possible reports whether a sequence number can be of this session.
func (c *collector) possible(q protocol.Seq) bool { return q <= c.announced+ahead }

// see counts a datagram's sequence number. It returns false for one that can't
// be of this session.
func (c *collector) see(q protocol.Seq) bool {
	if !c.possible(q) {
		return false
	}
	if c.first == 0 {
		c.first = q
	}
	c.counters.Received++
	switch {
	case q == c.asOf+1:
		c.asOf = q
	case q <= c.asOf:
		c.gaps.late(q)
	default:
		if c.asOf != 0 {
			c.gaps.open(c.asOf+1, q-1)
		}
		c.asOf = q
	}
	return true
}

// settle brings the count of lost datagrams up to date; overflow is how many
// our own socket dropped.
func (c *collector) settle(overflow uint64) {
	c.counters.Overflow = overflow
	c.counters.Gaps, c.counters.Longest = c.gaps.totals()
	if c.first != 0 {
		span := uint64(c.asOf - c.first + 1)
		c.counters.Lost = span - min(span, c.counters.Received+overflow)
	}
}

// cut reports whether symbols do not arrive though they are sent: since the
// last one, more than a quarter of what was sent is missing. What came is
// FLUSHes; with few of those lost, no symbol was sent.
func (c *collector) cut() bool {
	came := c.counters.Received - c.since.received
	sent := uint64(max(c.asOf, c.announced, c.since.asOf) - c.since.asOf)
	return sent > came && 3*(sent-came) > came+192
}

// accept takes one symbol. It returns the symbol's block when that is complete
// with it; the block is then the caller's until release.
func (c *collector) accept(d *protocol.Data) *block {
	if !c.see(d.Seq) {
		return nil
	}
	c.since.asOf, c.since.received = c.asOf, c.counters.Received
	o := &c.objects[d.Object]
	if int(d.SBN) >= o.have.Len() || o.have.Has(int(d.SBN)) {
		return nil
	}
	b := c.last
	if b == nil || b.sbn != d.SBN || b.object != d.Object {
		if b = o.open[d.SBN]; b == nil {
			if b = c.begin(o, d); b == nil {
				return nil
			}
		}
		c.last = b
	}
	if d.FrameLen != b.frameLen || !fits(d, b.layout) {
		return nil
	}
	b.add(d.ESI, d.Symbol)
	if b.need() > 0 {
		return nil
	}
	c.last = nil
	delete(o.open, b.sbn)
	o.have.Add(int(b.sbn))
	c.counters.Repaired += uint64(b.missing())
	return b
}

// fits reports whether d can be a symbol of a block of that layout.
func fits(d *protocol.Data, l protocol.Layout) bool {
	return int(d.ESI) < l.N() && len(d.Symbol) == l.Len(d.ESI)
}

// begin opens the block that d belongs to. It returns nil for a symbol that
// does not fit, for a block that the manifest contradicts, and for one that
// memory has no room for: that is shed, which counts once each time that it is
// sent from its start.
func (c *collector) begin(o *collection, d *protocol.Data) *block {
	layout := protocol.LayoutOf(d.FrameLen, c.symbolSize)
	if !fits(d, layout) || !c.expects(d.Object, d.SBN, d.FrameLen) {
		return nil
	}
	if int(d.ESI) > max(2, layout.K/8) && o.shed.Has(int(d.SBN)) {
		return nil // what is left of it would take memory until the rest is sent again
	}
	var buffer []byte
	if n := layout.K * layout.Size; d.Object == protocol.ObjectManifest || n <= c.room() {
		buffer = c.memory.get(n)
	}
	if buffer == nil {
		if d.ESI == 0 || !o.shed.Has(int(d.SBN)) {
			o.shed.Add(int(d.SBN))
			c.counters.Shed++
		}
		return nil
	}
	o.shed.Remove(int(d.SBN))
	b := c.unused()
	*b = block{object: d.Object, sbn: d.SBN, frameLen: d.FrameLen, layout: layout, buffer: buffer, repairs: b.repairs[:0]}
	o.open[d.SBN] = b
	return b
}

// room returns the bytes that blocks of the image that are not begun may take.
// Before the manifest is here they leave it half: none of them can be written,
// and with all memory full of them it could never come.
func (c *collector) room() int {
	limit := c.memory.limit
	if c.manifest == nil {
		limit /= 2
	}
	return max(0, limit-c.memory.used)
}

// expects reports whether block s of an object has frames of that length, as
// far as is known yet.
func (c *collector) expects(id protocol.Object, s protocol.SBN, frameLen int) bool {
	if id == protocol.ObjectManifest {
		at := int64(s) * protocol.BlockSize
		return int64(frameLen) == min(protocol.BlockSize, c.manifestSize-at)
	}
	if c.manifest == nil {
		return true
	}
	i, ok := c.manifest.Index(s)
	return ok && c.manifest.FrameLen(i) == frameLen
}

func (c *collector) unused() *block {
	if n := len(c.blocks); n > 0 {
		b := c.blocks[n-1]
		c.blocks = c.blocks[:n-1]
		return b
	}
	return new(block)
}

// release takes back a complete block; ok says that it holds what it should.
// One that does not is lacking again, whole.
func (c *collector) release(b *block, ok bool) {
	if !ok {
		c.objects[b.object].have.Remove(int(b.sbn))
		c.counters.Rejected++
	}
	c.recycle(b)
}

func (c *collector) recycle(b *block) {
	c.memory.put(b.buffer)
	b.buffer = nil
	c.blocks = append(c.blocks, b)
}

// learn takes over the manifest, once it is whole: zero blocks are had, and
// blocks that it contradicts were never the image's. complete are the blocks of
// the image that accept returned so far; learn returns those that stand.
func (c *collector) learn(m *image.Manifest, complete []*block) []*block {
	c.manifest, c.last = m, nil
	o := &c.objects[protocol.ObjectImage]
	complete = slices.DeleteFunc(complete, func(b *block) bool {
		stands := c.expects(b.object, b.sbn, b.frameLen)
		if !stands {
			c.release(b, false)
		}
		return !stands
	})
	for s, b := range o.open {
		if !c.expects(b.object, s, b.frameLen) {
			delete(o.open, s)
			c.recycle(b)
		}
	}
	for _, r := range m.Runs() {
		if r.Zero { // after the above: a zero block that was forged is had, too
			o.have.AddRange(int(r.First), int(r.First)+int(r.Blocks))
		}
	}
	return complete
}

// found takes note that a block of the image is on the disk.
func (c *collector) found(s protocol.SBN) { c.take(protocol.ObjectImage, s) }

// lacks reports whether anything is known to be lacking.
func (c *collector) lacks() bool {
	o := &c.objects[c.object()]
	return o.have.NextAbsent(0) < int(o.to)
}

// object returns the one whose deficits are to be reported: nothing can be
// written before the manifest is here.
func (c *collector) object() protocol.Object {
	if c.manifest == nil {
		return protocol.ObjectManifest
	}
	return protocol.ObjectImage
}

// deficits writes what is lacking into r, as much as makes a datagram of size
// bytes; the next report goes on where this one ended.
func (c *collector) deficits(r *protocol.Report, size int) {
	r.Object, r.AsOf = c.object(), c.asOf
	o := &c.objects[r.Object]
	c.sorted = c.sorted[:0]
	for s := range o.open {
		if s >= o.from {
			c.sorted = append(c.sorted, s)
		}
	}
	slices.Sort(c.sorted)
	w := r.WriteDeficits(o.from, size)
	for s := protocol.SBN(o.have.NextAbsent(int(o.from))); ; s = protocol.SBN(o.have.NextAbsent(int(s))) {
		w.Covered(min(s, o.to))
		if s >= o.to {
			o.from = 0
			return
		}
		for len(c.sorted) > 0 && c.sorted[0] < s {
			c.sorted = c.sorted[1:]
		}
		d := protocol.Deficit{First: s, Count: 1}
		if b := o.open[s]; b != nil {
			d.Need = uint16(b.need())
		} else {
			end := min(protocol.SBN(o.have.Next(int(s))), o.to)
			if len(c.sorted) > 0 {
				end = min(end, c.sorted[0])
			}
			d.Count = uint32(end - s)
		}
		if !w.Add(d) {
			o.from = s
			return
		}
		s += protocol.SBN(d.Count)
	}
}

// yield gives up blocks that are begun until n bytes are free: where no more
// symbols come, they would keep out what other lanes bring.
func (c *collector) yield(n int) {
	o := &c.objects[protocol.ObjectImage]
	for s, b := range o.open {
		if c.room() >= n {
			return
		}
		if c.last == b {
			c.last = nil
		}
		delete(o.open, s)
		c.recycle(b)
	}
}
