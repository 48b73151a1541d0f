package receiver

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// tap is a Conn that keeps what is written to it and hears nothing.
type tap struct {
	mcast.Conn
	sent   [][]byte
	closed int
}

func (t *tap) WriteTo(d []byte, _ netip.AddrPort) error {
	t.sent = append(t.sent, slices.Clone(d))
	return nil
}

func (*tap) Overflow() uint64                   { return 0 }
func (*tap) BufferSize() int                    { return 4 << 20 }
func (*tap) Read(*mcast.Batch, time.Time) error { return net.ErrClosed }

func (t *tap) Close() error {
	t.closed++
	return nil
}

// paper is a disk that takes everything.
type paper struct{}

func (paper) Begin() error                             { return nil }
func (paper) WriteBlock(int64, []byte) error           { return nil }
func (paper) Zero(context.Context, int64, int64) error { return nil }
func (paper) Flush() error                             { return nil }
func (paper) Finish() error                            { return nil }
func (paper) Held(int64, int64) bool                   { return false }
func (paper) Erased(int64, int64) bool                 { return false }
func (paper) ReadAt(p []byte, _ int64) (int, error)    { return len(p), nil }

// newTestSession is a session of the image without a network.
func newTestSession(m *image.Manifest, key *trust.Key) (*session, *tap) {
	a := announceOf(m, protocol.DefaultSymbolSize)
	a.Report = netip.MustParseAddrPort("10.0.0.1:9")
	if key != nil {
		a.PublicKey = key.Public()
	}
	h, c := Heard{Announce: *a}, &tap{}
	s := &session{
		cfg: Config{ID: 5, Workers: 1, Status: func(Status) {}}, begun: h, heard: h, data: c, conn: c,
		collector: newCollector(a, leastMemory), pipe: newPipeline(paper{}, leastMemory/class+1), rebuilder: newRebuilder(),
		bytes: make([]byte, a.ManifestSize), rejects: map[protocol.SBN]int{}, news: make(chan any, 64),
		state: protocol.ReceiverJoined, nonces: map[uint64]time.Time{}, size: 548, random: rand.New(rand.NewPCG(1, 1)),
	}
	s.store = newStore(paper{}, protocol.Blocks(a.RawSize))
	s.sender.Store(&h)
	s.lanes = newLanes(s)
	return s, c
}

// seal makes d a datagram of session 7: magic, version, checksum.
func seal(d []byte) []byte {
	if len(d) >= protocol.HeaderSize {
		copy(d[8:], []byte{'P', 'X', protocol.Version})
		binary.BigEndian.PutUint64(d[12:], 7)
		binary.BigEndian.PutUint64(d, protocol.Checksum(d))
	}
	return d
}

// TestReceivingAllocatesNothing: from the datagram to the complete block and
// back again, with and without repair symbols.
func TestReceivingAllocatesNothing(t *testing.T) {
	frames := make([]int, 20_000)
	for i := range frames {
		frames[i] = 60_000
	}
	m := imagetest.Manifest(t, frames...)
	for _, first := range []int{0, 5} { // ESI that blocks begin with
		s, _ := newTestSession(m, nil)
		s.collector.memory.reserve()
		defer s.collector.memory.free()
		s.collector.learn(m, nil)
		s.state = protocol.ReceiverReceiving
		l := protocol.LayoutOf(60_000, protocol.DefaultSymbolSize)
		d, err := (&protocol.Data{Session: 7, Object: 1, FrameLen: 60_000, Seq: 1, Symbol: make([]byte, l.Size)}).AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		seq, sbn, now := uint64(0), 0, time.Now()
		blocks := func(n int) {
			for range n {
				for e := first; e < first+l.K; e++ {
					seq++
					binary.BigEndian.PutUint16(d[22:], uint16(e))
					binary.BigEndian.PutUint32(d[24:], uint32(sbn))
					binary.BigEndian.PutUint64(d[32:], seq)
					s.datagram(seal(d[:protocol.DataHeaderSize+l.Len(protocol.ESI(e))]))
				}
				sbn++
				b := <-s.pipe.work
				if b.missing() != first {
					t.Fatal("unlike what was sent")
				}
				if err := s.result(result{block: b}, now); err != nil {
					t.Fatal(err)
				}
			}
		}
		blocks(100)
		if n := testing.AllocsPerRun(50, func() { blocks(20) }); n != 0 {
			t.Errorf("%v allocations for 20 blocks of %d packets that begin with symbol %d", n, l.K, first)
		}
	}
}

// FuzzSession: whatever arrives on the data group and from the sender's
// address, nothing panics, memory keeps to its limit, and the reports that
// follow are right in form.
func FuzzSession(f *testing.F) {
	key, err := trust.Generate()
	if err != nil {
		f.Fatal(err)
	}
	m := imagetest.Manifest(f, 1408*3, 0, 14, 262163)
	row := func(ds ...[]byte) (out []byte) {
		for _, d := range ds {
			out = append(binary.BigEndian.AppendUint16(out, uint16(len(d))), d...)
		}
		return out
	}
	data := func(d protocol.Data) []byte { d.Session = 7; b, _ := d.AppendBinary(nil); return b }
	manifest := data(protocol.Data{FrameLen: len(m.Bytes()), Seq: 4, Symbol: m.Bytes()})
	first := data(protocol.Data{Object: 1, FrameLen: 1408 * 3, Seq: 5, Symbol: make([]byte, 1408)})
	short := data(protocol.Data{Object: 1, SBN: 2, FrameLen: 14, Seq: 6, Symbol: make([]byte, 14)})
	zero := data(protocol.Data{Object: 1, SBN: 1, FrameLen: 14, Seq: 6, Symbol: make([]byte, 14)})
	repair := data(protocol.Data{Object: 1, ESI: 9, FrameLen: 1408 * 3, Seq: 8, Symbol: make([]byte, 1408)})
	flush, _ := (&protocol.Flush{Session: 7, Seq: 9}).AppendBinary(nil)
	roster, _ := (&protocol.Roster{Session: 7, Total: 1, Places: []protocol.Place{{State: 5, Permille: 1000}}}).AppendBinary(nil)
	welcome, _ := (&protocol.Welcome{Session: 7, Receiver: 5, Nonce: 1, Status: protocol.WelcomeChallenge}).AppendBinary(nil, nil)
	f.Add(row(manifest, first, repair, flush, roster), true)
	f.Add(row(zero, first, short, manifest, repair, welcome, welcome), true)
	f.Add(row(first, repair, roster, welcome, []byte("garbage")), false)
	f.Fuzz(func(t *testing.T, in []byte, sealed bool) {
		s, c := newTestSession(m, key)
		s.nonces[1] = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		defer s.pipe.wait.Wait()
		defer cancel()
		for len(in) >= 2 {
			n := min(int(binary.BigEndian.Uint16(in)), len(in)-2)
			d := slices.Clone(in[2 : 2+n])
			in = in[2+n:]
			if sealed {
				seal(d)
			}
			s.datagram(d)
			s.unicast(d)
			if s.listen(time.Now()) != nil || s.results(ctx, time.Now()) != nil {
				return // it gave up, with a reason
			}
			if used := s.collector.memory.used; used > s.collector.memory.limit {
				t.Fatalf("%d bytes of memory", used)
			}
			c.sent = c.sent[:0]
			s.send(time.Now())
			var r protocol.Report
			if len(c.sent) != 1 || len(c.sent[0]) > s.size || protocol.ParseReport(c.sent[0], &r) != nil {
				t.Fatalf("%d reports, the first %x", len(c.sent), c.sent)
			}
		}
	})
}

// TestResultsAreNeverWaitedFor: workers can leave all results there can be
// while nobody takes them.
func TestResultsAreNeverWaitedFor(t *testing.T) { synctest.Test(t, testResults) }

func testResults(t *testing.T) {
	frames := make([]int, 5000)
	for i := range frames {
		frames[i] = 14 // the smallest blocks there are
	}
	m := imagetest.Manifest(t, frames...)
	s, _ := newTestSession(m, nil)
	s.collector.learn(m, nil)
	ctx, cancel := context.WithCancel(t.Context())
	s.pipe.start(ctx, m, 4)
	for i := range frames {
		if b := s.collector.accept(&protocol.Data{Object: 1, SBN: protocol.SBN(i), FrameLen: 14, Seq: 1, Symbol: make([]byte, 14)}); b != nil {
			s.place(b)
		}
	}
	queued := s.queued
	if queued*class != leastMemory {
		t.Errorf("%d blocks are on their way in %d bytes of memory", queued, leastMemory)
	}
	s.pipe.finish(ctx, false, nil)
	synctest.Wait()
	if n := len(s.pipe.results); n != queued+3 { // and the zeros, and two steps of the end
		t.Errorf("%d results of %d are there", n, queued+3)
	}
	cancel()
	s.pipe.wait.Wait()
}

// TestAnnouncementsMustGoOn: an old one, or one of something else, changes
// nothing.
func TestAnnouncementsMustGoOn(t *testing.T) {
	m := imagetest.Manifest(t, 100)
	for name, change := range map[string]func(a *protocol.Announce){
		"counter":       func(a *protocol.Announce) { a.Counter = 10 },
		"image":         func(a *protocol.Announce) { a.ImageID[0]++ },
		"symbol size":   func(a *protocol.Announce) { a.SymbolSize += 64 },
		"raw size":      func(a *protocol.Announce) { a.RawSize++ },
		"packed size":   func(a *protocol.Announce) { a.PackedSize++ },
		"manifest size": func(a *protocol.Announce) { a.ManifestSize++ },
		"data group":    func(a *protocol.Announce) { a.Data = netip.MustParseAddrPort("232.1.1.1:1") },
		"sender":        func(a *protocol.Announce) { a.Report = netip.MustParseAddrPort("10.9.9.9:9") },
	} {
		s, _ := newTestSession(m, nil)
		s.heard.Counter = 10
		h := s.heard
		h.Counter, h.State = 11, protocol.SessionCancelled
		change(&h.Announce)
		if err := s.heardAgain(h, time.Now()); err != nil || s.heard.State == protocol.SessionCancelled {
			t.Errorf("an announcement with another %s was believed: %v", name, err)
		}
	}
	s, _ := newTestSession(m, nil)
	h := s.heard
	h.Counter, h.State = 11, protocol.SessionCancelled
	if err := s.heardAgain(h, time.Now()); err == nil {
		t.Error("the true one was not")
	}
}

// TestRoomIsSummedUpOnce: pages count in order, and an acknowledgement to us
// alone counts nothing.
func TestRoomIsSummedUpOnce(t *testing.T) {
	s, _ := newTestSession(imagetest.Manifest(t, 100), nil)
	s.admitted, s.number, s.state = true, 3, protocol.ReceiverDone
	page := func(first int, states ...protocol.ReceiverState) {
		r := protocol.Roster{Session: 7, Total: 4, First: first}
		for i, st := range states {
			r.Places = append(r.Places, protocol.Place{Number: protocol.Number(first + i), State: st, Permille: 500})
		}
		s.places(&r)
	}
	page(0, protocol.ReceiverDone, protocol.ReceiverGone)
	page(2, protocol.ReceiverFailed, protocol.ReceiverReceiving)
	if s.acked {
		t.Error("acknowledged, though the sender takes us for receiving")
	}
	page(2, protocol.ReceiverFailed, protocol.ReceiverDone)
	if !s.acked || s.room != (Room{Machines: 3, Done: 1, Failed: 1, Slowest: 500}) {
		t.Errorf("acknowledged %v, room %+v", s.acked, s.room)
	}
}
