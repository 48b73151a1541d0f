package receiver

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// atService is a service of which nothing was fetched.
type atService struct{}

func (atService) Addr() netip.AddrPort              { return netip.AddrPort{} }
func (atService) Served() (int64, int64, time.Time) { return 0, 0, time.Time{} }
func (atService) Close()                            {}

// TestWhoStays for whom, and for how long, with a linger of ten seconds.
func TestWhoStays(t *testing.T) {
	const done, busy, sending = protocol.ReceiverDone, protocol.ReceiverReceiving, protocol.SessionSending
	second := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	for _, c := range []struct {
		name   string
		places []protocol.ReceiverState // ours is the first
		page   int                      // of the roster
		ack    bool                     // the first page comes once more
		heard  float64                  // the sender's last word, in seconds after our end
		at     float64                  // seconds after our end
		state  protocol.SessionState
		stays  bool
	}{
		{"alone", []protocol.ReceiverState{done}, 10, false, 1, 1, sending, false},
		{"all done", []protocol.ReceiverState{done, done, done}, 10, false, 1, 1, sending, false},
		{"one not done", []protocol.ReceiverState{done, busy}, 10, false, 1, 1, sending, true},
		{"for so long", []protocol.ReceiverState{done, busy}, 10, false, 11, 11, sending, false},
		{"one not done on a later page", []protocol.ReceiverState{done, done, done, busy}, 2, false, 1, 1, sending, true},
		{"and we are told ours again", []protocol.ReceiverState{done, done, done, busy}, 2, true, 1, 1, sending, true},
		{"the sender died at once, and knew us not to be done", []protocol.ReceiverState{busy, done}, 10, false, 0, 5, sending, false},
		{"the sender died at once", []protocol.ReceiverState{busy, busy}, 10, false, 0, 5, sending, true},
		{"the sender died before we left", []protocol.ReceiverState{done, busy}, 10, false, 9, 12, sending, true},
		{"and nobody asked", []protocol.ReceiverState{done, busy}, 10, false, 9, 20, sending, false},
		{"all have it, we last heard", []protocol.ReceiverState{done, busy}, 10, false, 1, 5, protocol.SessionLingering, false},
		{"it ended, and the roster was older", []protocol.ReceiverState{done, busy}, 10, false, 1, 5, protocol.SessionEnded, false},
	} {
		end := time.Now()
		s, _ := newTestSession(imagetest.Manifest(t, 100), nil)
		s.service, s.cfg.Linger = atService{}, 10*time.Second
		s.heard.State = c.state
		s.ended, s.admitted, s.state = end, true, done
		for _, again := range []bool{false, true} {
			for first := 0; first < len(c.places); first += c.page {
				if again && (!c.ack || first > 0) {
					break
				}
				r := protocol.Roster{Session: 7, Total: len(c.places), First: first}
				for i, state := range c.places[first:min(len(c.places), first+c.page)] {
					r.Places = append(r.Places, protocol.Place{Number: protocol.Number(first + i), State: state})
				}
				s.places(&r)
			}
		}
		s.heardAt, s.dataAt = end.Add(second(c.heard)), end.Add(second(c.heard))
		if why := s.stays(end.Add(second(c.at))); (why != "") != c.stays {
			t.Errorf("%s: says %q, want it to stay %v", c.name, why, c.stays)
		}
	}
}

// TestWhoStaysPartsWithTheData: who has all and stays for others leaves the data
// group, once, knows from the announcements for how many it stays, and hears
// the data of a sender that is started again.
func TestWhoStaysPartsWithTheData(t *testing.T) {
	now := time.Now()
	s, n, again := silentSession(t, now, protocol.DefaultSymbolSize)
	data := s.data.(*tap)
	s.service, s.cfg.Linger = atService{}, 10*time.Second
	s.state, s.ended, s.farewellAt, s.heard.State = protocol.ReceiverDone, now, now, protocol.SessionSending
	s.heard.Receivers, s.heard.Done, s.room = 4, 1, Room{Machines: 4, Done: 1}
	if s.leaves(now) || data.closed != 0 {
		t.Fatal("gone before the sender knows")
	}
	s.acked = true
	for range 2 {
		if s.leaves(now) || data.closed != 1 {
			t.Fatalf("left the group %d times, want once", data.closed)
		}
	}
	s.heard.Done = 3
	if why := s.stays(now); !strings.Contains(why, "1 machine is") {
		t.Errorf("%q, want one that is not done", why)
	}
	if s.heard.Done = 4; !s.leaves(now) {
		t.Error("stays for nobody")
	}

	now = now.Add(orphanAfter)
	if err := s.heardAgain(again, now); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.data.(*tap); !ok || len(n.groups) != 1 || data.closed != 1 {
		t.Errorf("hears %T after the sender was started again; listened %d times, closed the first %d times", s.data, len(n.groups), data.closed)
	}
}
