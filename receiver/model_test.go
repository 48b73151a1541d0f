package receiver

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// supply makes the symbols of an image whose frames are noise.
type supply struct {
	m      *image.Manifest
	size   int
	frames map[protocol.SBN][]byte
	parity map[protocol.SBN][][]byte
	seq    protocol.Seq
}

func newSupply(m *image.Manifest, symbolSize int, r *rand.Rand) *supply {
	s := &supply{m: m, size: symbolSize, frames: map[protocol.SBN][]byte{}, parity: map[protocol.SBN][][]byte{}}
	coder := fec.NewCoder()
	for i := range m.DataBlocks() {
		frame := make([]byte, m.FrameLen(i))
		for j := range frame {
			frame[j] = byte(r.Uint32())
		}
		l := s.layout(m.SBN(i))
		padded := append(bytes.Clone(frame), make([]byte, l.K*l.Size-len(frame))...)
		repair := make([][]byte, protocol.MaxRepair)
		for j := range repair {
			repair[j] = make([]byte, l.Size)
		}
		source := make([][]byte, l.K)
		for j := range source {
			source[j] = padded[j*l.Size : (j+1)*l.Size]
		}
		if err := coder.Encode(source, repair); err != nil {
			panic(err)
		}
		s.frames[m.SBN(i)], s.parity[m.SBN(i)] = frame, repair
	}
	return s
}

func (s *supply) layout(b protocol.SBN) protocol.Layout {
	i, _ := s.m.Index(b)
	return protocol.LayoutOf(s.m.FrameLen(i), s.size)
}

// symbol returns the next datagram, with that symbol in it.
func (s *supply) symbol(b protocol.SBN, e protocol.ESI) *protocol.Data {
	s.seq++
	l := s.layout(b)
	d := &protocol.Data{Session: 7, Object: protocol.ObjectImage, SBN: b, ESI: e, FrameLen: len(s.frames[b]), Seq: s.seq}
	if int(e) < l.K {
		d.Symbol = s.frames[b][int(e)*l.Size:][:l.Len(e)]
	} else {
		d.Symbol = s.parity[b][int(e)-l.K]
	}
	return d
}

// TestCollectorModel sends random symbols, lost, doubled and out of order, to
// the collector and to a naive model of it, until all is complete.
func TestCollectorModel(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 5))
			frames := []int{14, 0, 263296, 1408, 0, 0, 1409, 262163}
			for range 30 {
				frames = append(frames, 14+r.IntN(1<<(4+r.IntN(15)))%(protocol.MaxFrame-14))
			}
			size := []int{448, 1408, 8896}[seed%3]
			g := &trial{T: t, r: r, supply: newSupply(imagetest.Manifest(t, frames...), size, r), rebuilder: newRebuilder(),
				got: map[protocol.SBN]map[protocol.ESI]bool{}, done: map[protocol.SBN]bool{}, shed: map[protocol.SBN]bool{}}
			g.c = newCollector(announceOf(g.supply.m, size), []int{1 << 20, 2 << 20, 64 << 20}[seed/3%3])
			g.c.learn(g.supply.m, nil)
			g.play()
		})
	}
}

// trial is a collector beside its model.
type trial struct {
	*testing.T
	r         *rand.Rand
	supply    *supply
	c         *collector
	rebuilder *rebuilder
	late      []*protocol.Data // overtaken
	queue     []*block         // complete, on their way to the disk

	got   map[protocol.SBN]map[protocol.ESI]bool // of blocks begun
	done  map[protocol.SBN]bool
	shed  map[protocol.SBN]bool
	sheds uint32
}

func (g *trial) play() {
	m := g.supply.m
	for cycle := 0; len(g.done) < m.DataBlocks(); cycle++ {
		if cycle > 200 {
			g.Fatalf("%d of %d blocks after 200 cycles", len(g.done), m.DataBlocks())
		}
		for i := range m.DataBlocks() {
			b := m.SBN(i)
			l := g.supply.layout(b)
			for range 1 + l.K {
				g.deliver(g.supply.symbol(b, protocol.ESI(g.r.IntN(l.N()))))
			}
			if g.r.IntN(4) == 0 {
				g.disk(g.r.IntN(len(g.queue) + 1))
			}
		}
		g.deficits()
	}
	g.disk(len(g.queue))
	if n := len(g.c.objects[1].open); n > 0 || g.c.memory.used != 0 {
		g.Errorf("at the end %d blocks are open and %d bytes of memory in use", n, g.c.memory.used)
	}
}

// deliver loses, doubles and delays.
func (g *trial) deliver(d *protocol.Data) {
	switch g.r.IntN(10) {
	case 0:
		return
	case 1:
		g.accept(d)
	case 2:
		g.late = append(g.late, d)
		return
	}
	g.accept(d)
	if len(g.late) > 20 {
		g.accept(g.late[0])
		g.late = g.late[1:]
	}
}

// accept gives one symbol to the collector, and says what it must answer.
func (g *trial) accept(d *protocol.Data) {
	begun := g.c.objects[1].open[d.SBN] != nil
	if !begun && !g.done[d.SBN] && g.got[d.SBN] != nil {
		g.Fatalf("block %d was begun and is forgotten", d.SBN)
	}
	b := g.c.accept(d)
	if g.c.memory.used > g.c.memory.limit {
		g.Fatalf("%d bytes used, the limit is %d", g.c.memory.used, g.c.memory.limit)
	}
	if g.done[d.SBN] {
		if b != nil {
			g.Fatalf("block %d is complete twice", d.SBN)
		}
		return
	}
	if g.got[d.SBN] == nil {
		if g.c.objects[1].open[d.SBN] == nil && b == nil {
			if d.ESI == 0 || !g.shed[d.SBN] {
				g.shed[d.SBN] = true
				g.sheds++
			}
			return
		}
		g.got[d.SBN] = map[protocol.ESI]bool{}
		delete(g.shed, d.SBN)
	}
	g.got[d.SBN][d.ESI] = true
	if whole := len(g.got[d.SBN]) == g.supply.layout(d.SBN).K; whole != (b != nil) {
		g.Fatalf("block %d holds %d of %d symbols, complete: %v", d.SBN, len(g.got[d.SBN]), g.supply.layout(d.SBN).K, b != nil)
	}
	if b != nil {
		g.done[d.SBN] = true
		g.queue = append(g.queue, b)
	}
}

// disk takes the first n complete blocks; now and then one fails its digest.
func (g *trial) disk(n int) {
	for _, b := range g.queue[:n] {
		frame, err := g.rebuilder.frame(b)
		if err != nil || !bytes.Equal(frame, g.supply.frames[b.sbn]) {
			g.Fatalf("block %d (k=%d, %d repair symbols) is restored to something else: %v", b.sbn, b.layout.K, len(b.repairs), err)
		}
		ok := g.r.IntN(10) > 0
		if g.c.release(b, ok); !ok {
			delete(g.done, b.sbn)
			delete(g.got, b.sbn)
		}
	}
	g.queue = g.queue[n:]
}

// deficits reads all pages of the report and compares them with the model.
func (g *trial) deficits() {
	m := g.supply.m
	need := map[protocol.SBN]uint16{}
	// What lies beyond may be on the disk: nothing is said of it.
	to := protocol.SBN(m.Blocks())
	if g.r.IntN(2) == 0 {
		to = protocol.SBN(g.r.IntN(m.Blocks() + 1))
	}
	g.c.objects[protocol.ObjectImage].to = to
	for page := 0; ; page++ {
		var r protocol.Report
		g.c.deficits(&r, 313+g.r.IntN(40))
		if r.AsOf != g.c.asOf || r.Object != protocol.ObjectImage || page > 200 {
			g.Fatalf("page %d: object %d as of %d", page, r.Object, r.AsOf)
		}
		for _, d := range r.Deficits {
			for i := range d.Count {
				need[d.First+protocol.SBN(i)] = d.Need
			}
		}
		if r.To > to {
			g.Fatalf("page %d goes to %d of %d", page, r.To, to)
		}
		if r.To == to {
			break
		}
	}
	for s := range protocol.SBN(m.Blocks()) {
		want, lacking := uint16(protocol.NeedAll), false
		if _, data := m.Index(s); data && !g.done[s] && s < to {
			lacking = true
			if g.got[s] != nil {
				want = uint16(g.supply.layout(s).K - len(g.got[s]))
			}
		}
		if got, told := need[s]; told != lacking || got != want {
			g.Fatalf("block %d: told %v need %d, want %v need %d", s, told, got, lacking, want)
		}
	}
	if g.c.counters.Shed != g.sheds {
		g.Fatalf("%d blocks shed, want %d", g.c.counters.Shed, g.sheds)
	}
}
