package receiver

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/protocol"
)

// TestLackFoundLate: a sender that fell silent long before anything was found to
// lack leaves the peers as much time as one that falls silent now.
func TestLackFoundLate(t *testing.T) {
	peer := origin{peerHTTP, netip.MustParseAddrPort("127.0.0.1:1")}
	now := time.Now()
	s, _, _ := silentSession(t, now.Add(-time.Minute), protocol.DefaultSymbolSize)
	s.collector.objects[1].to = 0 // scanning
	s.lanes.plan.meet(peer, true)
	s.reach(now.Add(-time.Second))
	s.collector.objects[1].to = 3
	s.reach(now)
	s.lanes.plan.plan(now, s.lanes.mode, s.lack())
	if err := s.patience(now); err != nil {
		t.Errorf("gave up before anybody was asked: %v", err)
	}
}

// TestBusyPeerHasItsBlocks: one that has no time for us now is no peer less.
func TestBusyPeerHasItsBlocks(t *testing.T) {
	peer := origin{peerHTTP, netip.MustParseAddrPort("127.0.0.1:1")}
	now := time.Now()
	s, _, _ := silentSession(t, now.Add(-25*time.Second), protocol.DefaultSymbolSize)
	s.lanes.plan.meet(peer, true)
	s.reach(now.Add(-20 * time.Second))
	s.lanes.progressAt, s.lanes.wholeAt = now, now.Add(-time.Second) // blocks have come all the time
	all := blockset.New(3)
	all.AddRange(0, 3)
	rh := request{origin: peer, wish: wantHave}
	s.lanes.plan.sources[peer].asking = true
	s.lanes.plan.asking++
	s.lanes.plan.done(now, rh, 0, all)
	r := request{origin: peer, wish: wantBlocks, first: 1, last: 1}
	s.lanes.plan.launch(now, r)
	s.lanes.plan.done(now, r, lane.Busy, nil)
	if err := s.patience(now); err != nil {
		t.Errorf("one busy answer: %v", err)
	}
}

// TestBlocksInPartsMakeRoom: blocks that multicast left half done do not keep
// out what peers bring.
func TestBlocksInPartsMakeRoom(t *testing.T) {
	peer := origin{peerHTTP, netip.MustParseAddrPort("127.0.0.1:1")}
	frames := make([]int, 200)
	for i := range frames {
		frames[i] = 250_000
	}
	m := imagetest.Manifest(t, frames...)
	s, _ := newTestSession(m, nil)
	s.state, s.admitted = protocol.ReceiverReceiving, true
	s.collector.learn(m, nil)
	for i := range 200 {
		s.collector.accept(&protocol.Data{Object: 1, SBN: protocol.SBN(i), FrameLen: 250_000, Seq: protocol.Seq(i + 1), Symbol: make([]byte, protocol.DefaultSymbolSize)})
	}
	s.collector.yield(mostFetches * protocol.MaxFrame)
	s.lanes.plan.meet(peer, true)
	all := blockset.New(200)
	all.AddRange(0, 200)
	s.lanes.plan.sources[peer].has, s.lanes.plan.sources[peer].told = all, true
	n := 0
	for _, r := range s.lanes.plan.plan(time.Now(), modeOrphan, s.lack()) {
		if r.wish == wantBlocks {
			n++
		}
	}
	if n == 0 {
		t.Error("nothing is asked for")
	}
}
