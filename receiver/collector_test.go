package receiver

import (
	"testing"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

func announceOf(m *image.Manifest, symbolSize int) *protocol.Announce {
	return &protocol.Announce{
		Session: 7, ImageID: m.ID(), RawSize: m.RawSize(), PackedSize: m.PackedSize(), ManifestSize: len(m.Bytes()), SymbolSize: symbolSize, IntervalMS: 20,
	}
}

// TestManifestFindsRoom: a receiver that comes late hears blocks of the image
// before the manifest, more than its memory holds. The manifest fits all the
// same.
func TestManifestFindsRoom(t *testing.T) {
	frames := make([]int, 9000)
	for i := range frames {
		frames[i] = 262163
	}
	m := imagetest.Manifest(t, frames...)
	c := newCollector(announceOf(m, 1408), leastMemory)
	symbol := make([]byte, 1408)
	l := protocol.LayoutOf(262163, 1408)
	d := protocol.Data{Object: protocol.ObjectImage, FrameLen: 262163}
	held := 0
	for s := range protocol.SBN(200) {
		for e := range protocol.ESI(l.K) {
			d.SBN, d.ESI, d.Seq, d.Symbol = s, e, d.Seq+1, symbol[:l.Len(e)]
			if c.accept(&d) != nil {
				held++
			}
		}
	}
	if held == 0 || c.room() > l.K*l.Size {
		t.Fatalf("%d blocks are held, room for %d bytes", held, c.room())
	}
	complete := 0
	for s := range protocol.SBN(2) {
		n := min(protocol.BlockSize, len(m.Bytes())-int(s)*protocol.BlockSize)
		l := protocol.LayoutOf(n, 1408)
		for e := range protocol.ESI(l.K) {
			if c.accept(&protocol.Data{SBN: s, ESI: e, FrameLen: n, Seq: d.Seq + 1, Symbol: symbol[:l.Len(e)]}) != nil {
				complete++
			}
		}
	}
	if complete != 2 {
		t.Errorf("%d blocks of the manifest were completed, want 2", complete)
	}
}

// TestManifestContradicts: what was collected before the manifest came, and is
// not the image's, is dropped. A zero block that was forged is not lacking.
func TestManifestContradicts(t *testing.T) {
	m := imagetest.Manifest(t, 100, 0, 200, 300, 0)
	c := newCollector(announceOf(m, 1408), leastMemory)
	var held []*block
	send := func(s protocol.SBN, n int, e protocol.ESI) {
		l := protocol.LayoutOf(n, 1408)
		if b := c.accept(&protocol.Data{Object: 1, SBN: s, ESI: e, FrameLen: n, Seq: 1, Symbol: make([]byte, l.Len(e))}); b != nil {
			held = append(held, b)
		}
	}
	send(0, 100, 0)  // the image's
	send(1, 50, 0)   // a zero block
	send(2, 201, 0)  // of another length
	send(3, 3000, 0) // of another length, incomplete
	send(4, 3000, 0) // a zero block, incomplete
	if held = c.learn(m, held); len(held) != 1 || held[0].sbn != 0 {
		t.Fatalf("%d blocks stand, want block 0 alone", len(held))
	}
	var r protocol.Report
	c.deficits(&r, 1000)
	if len(r.Deficits) != 1 || r.Deficits[0] != (protocol.Deficit{First: 2, Count: 2}) {
		t.Errorf("lacking is %v, want blocks 2 and 3", r.Deficits)
	}
	if send(3, 3000, 1); len(c.objects[1].open) != 0 {
		t.Error("a block of a wrong length is begun again")
	}
	if send(3, 300, 0); len(held) != 2 {
		t.Error("the true block is not taken")
	}
}

// TestSymbolsThatDoNotFit: none of them begins a block, or counts for one.
func TestSymbolsThatDoNotFit(t *testing.T) {
	m := imagetest.Manifest(t, 2000, 2000)
	c := newCollector(announceOf(m, 1408), leastMemory)
	good := protocol.Data{Object: 1, FrameLen: 2000, Seq: 1, Symbol: make([]byte, 1024)} // k = 2
	bad := func(change func(d *protocol.Data)) {
		d := good
		change(&d)
		if c.accept(&d) != nil || len(c.objects[1].open) > 1 {
			t.Errorf("%+v is taken", d)
		}
		if b := c.objects[1].open[0]; b != nil && b.held != 1 {
			t.Errorf("%+v counts", d)
		}
	}
	for range 2 { // before block 0 is begun, and while it is open
		bad(func(d *protocol.Data) { d.ESI = 66 })
		bad(func(d *protocol.Data) { d.ESI = 65535 })
		bad(func(d *protocol.Data) { d.ESI, d.Symbol = 1, make([]byte, 1024) })
		bad(func(d *protocol.Data) { d.ESI, d.Symbol = 2, make([]byte, 1023) })
		bad(func(d *protocol.Data) { d.ESI, d.FrameLen, d.Symbol = 1, 2001, make([]byte, 1024) })
		bad(func(d *protocol.Data) { d.SBN = 2 })
		bad(func(d *protocol.Data) { d.SBN = protocol.MaxSBN - 1 })
		bad(func(d *protocol.Data) { d.Object = 0 })
		c.accept(&good)
	}
	bad(func(d *protocol.Data) { d.ESI, d.FrameLen = 2, 2040 }) // the same layout, another frame
	if b := c.accept(&protocol.Data{Object: 1, ESI: 65, FrameLen: 2000, Seq: 2, Symbol: make([]byte, 1024)}); b == nil {
		t.Error("the second symbol of two does not complete the block")
	}
}

// TestForgedSequence: a sequence number far ahead is refused; one that was
// believed is forgotten by the second announcement after it, which is signed.
func TestForgedSequence(t *testing.T) {
	m := imagetest.Manifest(t, 100, 200)
	c := newCollector(announceOf(m, 1408), leastMemory)
	if c.see(ahead + 1) {
		t.Error("a number no sender can have reached was taken")
	}
	for q := range protocol.Seq(100) {
		c.see(q + 1)
	}
	c.see(ahead)
	c.hear(120) // may have been on its way for a while
	c.hear(150)
	if c.asOf != 150 {
		t.Errorf("as of %d after an announcement of 150", c.asOf)
	}
	if c.settle(0); c.counters.Lost > 50 {
		t.Errorf("%d lost", c.counters.Lost)
	}
	for q := range protocol.Seq(100) {
		c.see(q + 151)
	}
	c.hear(200) // an announcement is always a little late
	if c.asOf != 250 {
		t.Errorf("as of %d, 250 was seen", c.asOf)
	}
}

func TestLossIsCountedApart(t *testing.T) {
	m := imagetest.Manifest(t, 100)
	c := newCollector(announceOf(m, 1408), leastMemory)
	for q := range protocol.Seq(1000) {
		if q%10 != 0 {
			c.see(q + 1001) // it came when 1000 were sent already
		}
	}
	c.settle(40)
	// The first of all that it could have heard was lost, too: nobody can know.
	if c.counters.Received != 900 || c.counters.Lost != 59 || c.counters.Overflow != 40 {
		t.Errorf("%+v, want 900 received, 59 lost, 40 overflow", c.counters)
	}
}
