package sender

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// tap is a Conn that shows what is written to it and sends nothing.
type tap struct {
	mcast.Conn
	trains func([]mcast.Train)
}

func (t tap) WriteTrains(_ netip.AddrPort, trains []mcast.Train) error {
	if t.trains != nil {
		t.trains(trains)
	}
	return nil
}

func (tap) WriteTo([]byte, netip.AddrPort) error { return nil }
func (tap) Read(*mcast.Batch, time.Time) error   { return net.ErrClosed }
func (tap) LocalAddr() netip.AddrPort            { return netip.MustParseAddrPort("10.0.0.1:9") }
func newTap(trains func([]mcast.Train)) tap      { return tap{trains: trains} }
func everything(n int, need uint16) []protocol.Deficit {
	return []protocol.Deficit{{Count: uint32(n), Need: need}}
}

// demand is a scheduler with one member that lacks what it is told to.
type demand struct {
	*scheduler
	now    time.Time
	report protocol.Report
}

func newDemand(t testing.TB, s noise, symbolSize int) *demand {
	d := &demand{scheduler: newScheduler(s.m, symbolSize, 0), now: time.Unix(1000, 0)}
	d.admit(d.now, &protocol.Join{Receiver: 1}, netip.MustParseAddrPort("10.0.0.2:9"))
	d.report = protocol.Report{State: protocol.ReceiverReceiving, Object: protocol.ObjectImage, Room: 1 << 30, Buffer: 1 << 30, To: protocol.MaxSBN}
	return d
}

func (d *demand) ask(deficits []protocol.Deficit) {
	d.now = d.now.Add(minInterval)
	d.report.Serial++
	d.report.AsOf, d.report.Deficits = d.last, deficits
	d.scheduler.report(d.now, &d.report)
}

// TestSentIsTheImage sends blocks of every size, in every symbol size, and
// repairs for each: all trains keep the rules, and any k symbols of what went
// out decode to the frame.
func TestSentIsTheImage(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, mtu := range []int{576, 1400, 1500, 9000, 65535} {
		t.Run(fmt.Sprint("MTU ", mtu), func(t *testing.T) {
			frames := []int{14, 64, 65, 448, 449, 1408, 1409, 2817, 100_000, protocol.MaxFrame, 20, 262163, 0, 33, 263000}
			for range 60 {
				frames = append(frames, 14+random.IntN(1<<(4+random.IntN(14))))
			}
			testSent(t, noise{imagetest.Manifest(t, frames...)}, protocol.SymbolSize(mtu), random)
		})
	}
}

func testSent(t *testing.T, source noise, symbolSize int, random *rand.Rand) {
	got := make([]map[protocol.ESI][]byte, source.m.DataBlocks())
	for i := range got {
		got[i] = map[protocol.ESI][]byte{}
	}
	next := protocol.Seq(1)
	tx := newTransmitter(7, newTap(func(trains []mcast.Train) {
		for _, train := range trains {
			if err := train.Validate(); err != nil {
				t.Fatal(err)
			}
			for p := train.Parts; len(p) > 0; p = p[mcast.PartsPer:] {
				d, err := protocol.ParseData(append(bytes.Clone(p[0]), p[1]...))
				i, ok := source.m.Index(d.SBN)
				if err != nil || d.Seq != next || d.Session != 7 || d.Object != protocol.ObjectImage || !ok || d.FrameLen != source.m.FrameLen(i) {
					t.Fatalf("datagram %+v, %v; want sequence %d", d, err, next)
				}
				next++
				got[i][d.ESI] = d.Symbol
			}
		}
	}), netip.AddrPort{}, source, symbolSize)
	d := newDemand(t, source, symbolSize)
	drain := func() {
		for {
			if wire, err := tx.send(d.now, d.scheduler, 1<<20); err != nil {
				t.Fatal(err)
			} else if wire == 0 {
				return
			}
		}
	}
	d.ask(everything(source.m.Blocks(), protocol.NeedAll))
	drain()
	for range 4 { // so that slots hold one block after the other
		d.ask(everything(source.m.Blocks(), 9))
		drain()
	}
	for i, symbols := range got {
		checkDecodes(t, source, i, symbols, symbolSize, random)
	}
}

// checkDecodes drops as many symbols of a block as it can bear, at random, and
// compares what the rest decodes to.
func checkDecodes(t *testing.T, source noise, i int, symbols map[protocol.ESI][]byte, symbolSize int, random *rand.Rand) {
	t.Helper()
	n := source.m.FrameLen(i)
	l := protocol.LayoutOf(n, symbolSize)
	if want := l.K + 9; l.K > 9 && len(symbols) < want {
		t.Fatalf("frame of %d bytes: %d symbols were sent, want %d", n, len(symbols), want)
	}
	shards := make([][]byte, l.N())
	for e, s := range symbols {
		if len(s) != l.Len(e) {
			t.Fatalf("frame of %d bytes: symbol %d has %d bytes, want %d", n, e, len(s), l.Len(e))
		}
		shards[e] = append(bytes.Clone(s), make([]byte, l.Size-len(s))...)
	}
	for left := len(symbols); left > l.K; {
		if e := random.IntN(l.N()); len(shards[e]) > 0 {
			shards[e] = shards[e][:0]
			left--
		}
	}
	for e := range l.K {
		if shards[e] == nil {
			t.Fatalf("frame of %d bytes: source symbol %d was not sent", n, e)
		}
	}
	if err := fec.NewCoder().Reconstruct(shards, l.K); err != nil {
		t.Fatal(err)
	}
	want := make([]byte, n)
	if err := source.ReadFramePart(i, 0, want); err != nil {
		t.Fatal(err)
	}
	if frame := bytes.Join(shards[:l.K], nil)[:n]; !bytes.Equal(frame, want) {
		t.Fatalf("frame of %d bytes (k=%d) decodes to something else", n, l.K)
	}
}

// TestManifestIsSent: object 0 goes out as the manifest's bytes.
func TestManifestIsSent(t *testing.T) {
	frames := make([]int, 9000) // 324 kB of manifest: two blocks
	for i := range frames {
		frames[i] = 100 + i
	}
	source := noise{imagetest.Manifest(t, frames...)}
	var sent []byte
	tx := newTransmitter(7, newTap(func(trains []mcast.Train) {
		for _, train := range trains {
			for p := train.Parts; len(p) > 0; p = p[mcast.PartsPer:] {
				d, _ := protocol.ParseData(append(bytes.Clone(p[0]), p[1]...))
				l := protocol.LayoutOf(d.FrameLen, protocol.DefaultSymbolSize)
				at := int(d.SBN)*protocol.BlockSize + int(d.ESI)*l.Size
				sent = append(sent, make([]byte, max(0, at+len(d.Symbol)-len(sent)))...)
				copy(sent[at:], d.Symbol)
			}
		}
	}), netip.AddrPort{}, source, protocol.DefaultSymbolSize)
	d := newDemand(t, source, protocol.DefaultSymbolSize)
	d.report.Object = protocol.ObjectManifest
	d.ask(everything(2, protocol.NeedAll))
	for {
		if wire, err := tx.send(d.now, d.scheduler, 1<<20); err != nil {
			t.Fatal(err)
		} else if wire == 0 {
			break
		}
	}
	if !bytes.Equal(sent, source.m.Bytes()) {
		t.Errorf("%d bytes were sent of a manifest of %d, or others", len(sent), len(source.m.Bytes()))
	}
}

// TestSendingAllocatesNothing: no packet costs memory, of whole blocks or of
// repairs, once every slot has had its block.
func TestSendingAllocatesNothing(t *testing.T) {
	frames := make([]int, 2000)
	for i := range frames {
		frames[i] = 150_000 + i%40*1000
	}
	source := noise{imagetest.Manifest(t, frames...)}
	tx := newTransmitter(7, newTap(nil), netip.AddrPort{}, source, protocol.DefaultSymbolSize)
	d := newDemand(t, source, protocol.DefaultSymbolSize)
	send := func(packets int) {
		for most := d.last + protocol.Seq(packets); d.last < most; {
			if wire, err := tx.send(d.now, d.scheduler, 180); err != nil || wire == 0 {
				t.Fatal("nothing is sent", err)
			}
		}
	}
	d.ask(everything(2000, protocol.NeedAll))
	send(20_000)
	if n := testing.AllocsPerRun(20, func() { send(1000) }); n != 0 {
		t.Errorf("%v allocations for a thousand packets of whole blocks", n)
	}
	d.scheduler = newDemand(t, source, protocol.DefaultSymbolSize).scheduler
	d.report.Serial = 0
	for i, image := 0, d.objects[protocol.ObjectImage]; i < image.n; i++ {
		image.next[i] = uint16(image.layout(i).K) // the source symbols went before
	}
	d.ask(everything(2000, 20))
	send(8_000)
	// The Reed–Solomon library makes two slices of headers for each block.
	if n, blocks := testing.AllocsPerRun(20, func() { send(1000) }), 1000/20+interleave; n > float64(2*blocks) {
		t.Errorf("%v allocations for a thousand packets of repairs, of at most %d blocks", n, blocks)
	}
}
