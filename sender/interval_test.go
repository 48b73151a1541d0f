package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// TestReportsAreSeldomInTheMiddle: reports come often while somebody waits for
// their effect, and else as seldom as the receivers' space allows at the rate
// that is sent; together they cost a large room no more than a small one.
func TestReportsAreSeldomInTheMiddle(t *testing.T) {
	frames := make([]int, 4000)
	for i := range frames {
		frames[i] = 1408 * 187
	}
	const (
		slow = 25e6  // bytes a second
		fast = 125e6 // a gigabit
	)
	for _, c := range []struct {
		name      string
		receivers int
		room      uint32 // KiB, of the last of them
		rate      float64
		left      int // whole blocks
		state     protocol.ReceiverState
		least     time.Duration
		most      time.Duration
	}{
		{"one", 1, 16 << 10, slow, 2000, protocol.ReceiverReceiving, 60 * time.Millisecond, 60 * time.Millisecond},
		{"eight", 8, 16 << 10, slow, 2000, protocol.ReceiverReceiving, 90 * time.Millisecond, 100 * time.Millisecond},
		{"24", 24, 16 << 10, slow, 2000, protocol.ReceiverReceiving, 150 * time.Millisecond, 250 * time.Millisecond},
		{"24 at a gigabit", 24, 16 << 10, fast, 2000, protocol.ReceiverReceiving, 24 * time.Millisecond, 50 * time.Millisecond},
		{"one of 24 is nearly full", 24, 5 << 10, slow, 2000, protocol.ReceiverReceiving, 24 * eachOf, 24 * eachOf},
		{"one of 24 has no manifest yet", 24, 16 << 10, slow, 2000, protocol.ReceiverJoined, 24 * eachOf, 24 * eachOf},
		{"the end is near", 24, 16 << 10, slow, 20, protocol.ReceiverReceiving, 24 * eachOf, 24 * eachOf},
		{"nothing is sent", 24, 16 << 10, 0, 2000, protocol.ReceiverReceiving, 24 * eachOf, 24 * eachOf},
		{"a thousand", 1000, 16 << 10, slow, 2000, protocol.ReceiverReceiving, 1000 * eachOf, 1000 * eachOf},
	} {
		s := newScheduler(imagetest.Manifest(t, frames...), protocol.DefaultSymbolSize, 0)
		now := time.Unix(1000, 0)
		for i := range c.receivers {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 9)
			m, _ := s.admit(now, &protocol.Join{Receiver: protocol.ReceiverID(i)}, from)
			m.state, m.report.Room, m.report.Buffer = protocol.ReceiverReceiving, 16<<10, 32<<10
			if i == c.receivers-1 {
				m.state, m.report.Room = c.state, c.room
			}
		}
		s.objects[protocol.ObjectImage].whole.AddRange(0, c.left)
		s.relax(now)
		s.last += protocol.Seq(c.rate * 0.1 / float64(s.packet))
		s.relax(now.Add(100 * time.Millisecond))
		if got := s.interval(); got < c.least || got > c.most {
			t.Errorf("%s: a report every %v, want %v to %v", c.name, got, c.least, c.most)
		}
	}
}

// TestLargestRoomCanBeAnnounced: what receivers are told fits its field.
func TestLargestRoomCanBeAnnounced(t *testing.T) {
	s := newScheduler(imagetest.Manifest(t, 1408), protocol.DefaultSymbolSize, -1)
	s.alive = make([]*member, protocol.MaxReceivers)
	if each := s.interval(); each > protocol.MaxInterval*time.Millisecond {
		t.Errorf("a report each %v", each)
	}
}
