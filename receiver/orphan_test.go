package receiver

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// switchboard is a network on which everything can be listened to and nothing
// is heard.
type switchboard struct {
	mcast.Network
	groups []netip.AddrPort
}

func (n *switchboard) Listen(group netip.AddrPort, _ netip.Addr, _ time.Duration) (mcast.Reader, error) {
	n.groups = append(n.groups, group)
	return &tap{}, nil
}

// silentSession is one whose sender was heard of last at that time.
func silentSession(t *testing.T, at time.Time, symbolSize int) (*session, *switchboard, Heard) {
	m := imagetest.Manifest(t, 60_000, 60_000, 60_000)
	s, _ := newTestSession(m, nil)
	n := &switchboard{}
	s.cfg.Network = n
	s.heard.Counter, s.heardAt, s.dataAt, s.state = 10, at, at, protocol.ReceiverReceiving
	s.admitted, s.number = true, 7
	s.collector.learn(m, nil)
	s.collector.accept(&protocol.Data{Object: 1, SBN: 1, FrameLen: 60_000, Seq: 500, Symbol: make([]byte, protocol.DefaultSymbolSize)})
	s.collector.take(protocol.ObjectImage, 0)
	again := s.begun
	again.Session, again.Counter, again.SymbolSize, again.Highest = 8, 11, symbolSize, 3
	again.Data, again.Report = netip.MustParseAddrPort("232.9.9.9:9"), netip.MustParseAddrPort("10.0.0.1:10")
	return s, n, again
}

// TestRestartedSenderIsTakenUp: what is held stays, and the rest begins anew.
func TestRestartedSenderIsTakenUp(t *testing.T) {
	now := time.Now()
	for _, size := range []int{protocol.DefaultSymbolSize, 8896} {
		s, n, again := silentSession(t, now.Add(-orphanAfter), size)
		if err := s.heardAgain(again, now); err != nil {
			t.Fatal(err)
		}
		if s.begun.Session != 8 || s.sender.Load().Report != again.Report || len(n.groups) != 1 || n.groups[0] != again.Data {
			t.Fatalf("listens to %v for session %d", n.groups, s.begun.Session)
		}
		if s.admitted || s.silent(now) != 0 || len(s.notices) != 1 || s.notices[0].Kind != "restarted" {
			t.Errorf("admitted %v, silent for %v, said %v", s.admitted, s.silent(now), s.notices)
		}
		o := &s.collector.objects[protocol.ObjectImage]
		if open := len(o.open); !o.have.Has(0) || open != map[bool]int{true: 1, false: 0}[size == protocol.DefaultSymbolSize] {
			t.Errorf("symbols of %d bytes: block 0 held %v, %d blocks open", size, o.have.Has(0), open)
		}
		if s.collector.asOf != 0 || s.collector.announced != 3 || s.collector.counters.Received != 0 {
			t.Errorf("sequences go on from the last session: %+v", s.collector.counters)
		}
		if size == 8896 && s.collector.memory.used != 0 {
			t.Errorf("%d bytes are lost", s.collector.memory.used)
		}
	}
}

// TestWhoLacksNothingJoinsToo: a machine that flushes, reads back or is done asks
// the new sender for a place, tells its state, and is not kept by it.
func TestWhoLacksNothingJoinsToo(t *testing.T) {
	now := time.Now()
	for _, state := range []protocol.ReceiverState{protocol.ReceiverReceiving, protocol.ReceiverVerifying, protocol.ReceiverDone} {
		s, _, again := silentSession(t, now.Add(-orphanAfter), protocol.DefaultSymbolSize)
		s.ending, s.state, s.acked = true, state, true
		s.heardAgain(again, now)
		if s.begun.Session != 8 || s.admitted || s.acked || !s.farewellAt.Equal(now) {
			t.Fatalf("%v: session %d, admitted %v, acknowledged %v", state, s.begun.Session, s.admitted, s.acked)
		}
		sent := s.conn.(*tap)
		if err := s.step(t.Context(), now); err != nil || len(sent.sent) != 1 {
			t.Fatalf("%v: %d datagrams, %v", state, len(sent.sent), err)
		}
		if _, err := protocol.ParseJoin(sent.sent[0]); err != nil {
			t.Error(err)
		}
		s.nonces[3] = now
		if err := s.welcome(protocol.Welcome{Receiver: 5, Nonce: 3, Status: protocol.WelcomeFull}, now); err != nil {
			t.Errorf("%v: a full session makes it fail: %v", state, err)
		}
	}
}

// TestNobodyElseIsTakenUp: not while the sender lives, and nothing that is not
// the same image of the same sender, and new.
func TestNobodyElseIsTakenUp(t *testing.T) {
	now := time.Now()
	for name, change := range map[string]func(s *session, h *Heard){
		"the sender lives": func(s *session, _ *Heard) { s.heardAt = now },
		"another key":      func(_ *session, h *Heard) { h.PublicKey[0]++ },
		"another image":    func(_ *session, h *Heard) { h.ImageID[0]++ },
		"another size":     func(_ *session, h *Heard) { h.RawSize++ },
		"a bench":          func(_ *session, h *Heard) { h.Bench = true },
		"an ended one":     func(_ *session, h *Heard) { h.State = protocol.SessionEnded },
		"a recording":      func(_ *session, h *Heard) { h.Counter = 9 },
		"failed here":      func(s *session, _ *Heard) { s.state = protocol.ReceiverFailed },
		"done, and so was the sender": func(s *session, _ *Heard) {
			s.state, s.heard.State = protocol.ReceiverDone, protocol.SessionEnded
		},
	} {
		s, n, again := silentSession(t, now.Add(-time.Minute), protocol.DefaultSymbolSize)
		change(s, &again)
		if s.heardAgain(again, now); s.begun.Session != 7 || len(n.groups) > 0 {
			t.Errorf("%s: taken up", name)
		}
	}
}

// TestFetchedFrames: they count once, by their lane, and memory gets back what
// is not used.
func TestFetchedFrames(t *testing.T) {
	m := imagetest.Manifest(t, 60_000, 60_000, 0, 60_000)
	s, _ := newTestSession(m, nil)
	s.collector.learn(m, nil)
	s.state = protocol.ReceiverReceiving
	peer := origin{peerHTTP, netip.MustParseAddrPort("10.0.0.2:80")}
	tftp := origin{senderTFTP, netip.MustParseAddrPort("10.0.0.1:69")}
	s.lanes.plan.meet(peer, true)
	s.lanes.plan.meet(tftp, true)
	now := time.Now()
	bring := func(o origin, b protocol.SBN, n int) {
		t.Helper()
		r := request{origin: o, wish: wantBlocks, first: b, last: b}
		s.lanes.plan.launch(now, r)
		buffer := s.collector.memory.get(protocol.MaxFrame)
		if err := s.fetched(fetched{request: r, over: true, sbn: b, frame: buffer[:n]}, now); err != nil {
			t.Fatal(err)
		}
	}
	s.collector.accept(&protocol.Data{Object: 1, SBN: 1, FrameLen: 60_000, Seq: 1, Symbol: make([]byte, protocol.DefaultSymbolSize)})
	bring(peer, 1, 50_000) // a frame of its own making; what was collected of the block is given up
	bring(peer, 1, 50_000) // a second time
	bring(tftp, 2, 14)     // a zero block
	bring(tftp, 99, 14)    // none at all
	bring(tftp, 3, 60_000)
	if s.queued != 2 || len(s.collector.objects[1].open) > 0 {
		t.Fatalf("%d blocks are on their way to the disk, %d open", s.queued, len(s.collector.objects[1].open))
	}
	for range 2 {
		b := <-s.pipe.work
		if frame, err := s.rebuilder.frame(b); err != nil || len(frame) != b.frameLen {
			t.Errorf("block %d: a frame of %d bytes, %v", b.sbn, len(frame), err)
		}
		if err := s.result(result{block: b}, now); err != nil {
			t.Fatal(err)
		}
	}
	if s.collector.memory.used != 0 {
		t.Errorf("%d bytes are lost", s.collector.memory.used)
	}
	if n := s.collector.counters.Lanes; n != [3]uint32{0, 1, 1} || !s.store.Has(1) || !s.store.Has(3) || s.store.Has(0) {
		t.Errorf("blocks by lane: %v", n)
	}

	// A peer whose bytes are wrong is named, and multicast is not blamed for it.
	bring(peer, 0, 50_000)
	if err := s.result(result{block: <-s.pipe.work, err: errDigest}, now); err != nil {
		t.Fatal(err)
	}
	if d := s.status(now).Dropped; len(d) != 1 || d[0].Peer != peer.at || !d[0].ForEver || len(s.rejects) > 0 {
		t.Errorf("dropped %v, rejects %v", d, s.rejects)
	}
}

// TestStoreServesWhatReadsBackRight and nothing else.
func TestStoreServesWhatReadsBackRight(t *testing.T) {
	p := newPicture(t, "d00d", 1000)
	m := p.packed.Manifest()
	disk := bytes.Clone(p.raw)
	st := newStore(bytes.NewReader(disk), m.Blocks())
	if _, err := st.AppendFrame(nil, 0); err == nil || st.Manifest() != nil {
		t.Error("serves before it knows the manifest")
	}
	st.manifest.Store(m)
	var data []protocol.SBN
	for i := range m.DataBlocks() {
		data = append(data, m.SBN(i))
	}
	for _, s := range data {
		if _, err := st.AppendFrame(nil, s); err == nil || st.Has(s) {
			t.Errorf("serves block %d, which is not written", s)
		}
		st.add(s)
		frame, err := st.AppendFrame([]byte("before"), s)
		if err != nil || !bytes.HasPrefix(frame, []byte("before")) || len(frame) > protocol.MaxFrame+6 {
			t.Fatalf("block %d: %v", s, err)
		}
		raw, err := image.NewDecoder().Decode(nil, frame[6:], m.RawLen(s))
		if i, _ := m.Index(s); err != nil || image.Sum(raw) != m.Digest(i) {
			t.Errorf("block %d decodes to something else: %v", s, err)
		}
	}
	disk[int(data[0])*protocol.BlockSize+77] ^= 1
	if _, err := st.AppendFrame(nil, data[0]); err == nil || !strings.Contains(err.Error(), "read back") {
		t.Errorf("serves what the disk changed: %v", err)
	}
	if st.Has(protocol.SBN(m.Blocks())) {
		t.Error("has a block beyond the end")
	}
}

// TestWhoIsAsked: those in the roster that serve and live, but not ourselves.
func TestWhoIsAsked(t *testing.T) {
	s, _ := newTestSession(imagetest.Manifest(t, 100), nil)
	s.cfg.Fetch = lane.NewClient(netip.Addr{})
	at := func(i byte, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), port)
	}
	roster := protocol.Roster{Session: 7, Total: 6, Places: []protocol.Place{
		{Number: 0, State: protocol.ReceiverReceiving, Peer: at(1, 80)},
		{Number: 1, State: protocol.ReceiverJoined, Peer: at(2, 80)},
		{Number: 2, State: protocol.ReceiverReceiving, Peer: at(3, 80)}, // ourselves
		{Number: 3, State: protocol.ReceiverDone, Peer: at(4, 80)},
		{Number: 4, State: protocol.ReceiverGone, Peer: at(5, 80)},
		{Number: 5, State: protocol.ReceiverReceiving, Peer: at(6, 0)},
	}}
	s.places(&roster) // before we know our number
	s.admitted, s.number = true, 2
	s.places(&roster)
	var got []netip.AddrPort
	for _, c := range s.lanes.plan.order {
		if !c.usable(time.Now()) {
			continue
		}
		if got = append(got, c.at); c.ready != (c.at != at(2, 80)) {
			t.Errorf("%v: has the manifest %v", c.at, c.ready)
		}
	}
	if len(got) != 3 || got[0] != at(1, 80) || got[1] != at(2, 80) || got[2] != at(4, 80) || s.lanes.plan.rank != 2 || s.lanes.plan.of != 6 {
		t.Errorf("asks %v, as number %d of %d", got, s.lanes.plan.rank, s.lanes.plan.of)
	}
}
