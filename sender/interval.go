package sender

import (
	"time"

	"github.com/pxecast/pxecast/protocol"
)

const (
	minInterval = 20 * time.Millisecond // between reports of one receiver

	// eachOf times the number of receivers is the least interval: together they
	// report less than once a millisecond, with those that have news before
	// their time.
	eachOf = 1300 * time.Microsecond

	// calmEach times the number of receivers is the interval while reports
	// matter little: all of them together cost one core a few parts in a
	// thousand, whatever the size of the room.
	calmEach  = 12 * time.Millisecond
	calmFewer = 5           // receivers report no more often than so many
	calmMost  = time.Second // longer, and it takes too long to notice who is gone

	// calmTail is how long before the last whole block reports come often
	// again: the receivers must have heard so, and the reports that they had
	// put off must have come, when the repairs are all that is left.
	calmTail = 600 * time.Millisecond

	// calmSpace is the share of a receiver's space that may be sent in an
	// interval. A report comes up to a quarter late, waits up to a third, and
	// what is queued for the wire is on its way too: all that must still fit.
	calmSpace = 0.35

	// mostRest bounds how long a report, JOIN or final report waits for others.
	mostRest = 20 * time.Millisecond

	relaxEach = 50 * time.Millisecond // between two looks at what is enough
)

// interval is how often each receiver reports: together less than once a
// millisecond. In the middle of the image reports only keep the window open, and
// come as seldom as that allows; they are frequent when somebody waits for
// their effect, which is at the beginning and at the end.
func (s *scheduler) interval() time.Duration {
	n := time.Duration(len(s.alive))
	each := max(minInterval, n*eachOf, min(max(n, calmFewer)*calmEach, calmMost, s.calm))
	return min(each, protocol.MaxInterval*time.Millisecond)
}

// rest is for how long reports may wait so that one wake takes several: most of
// what a report costs is to wake for it. A few receivers' do not come together,
// and while the window is closed one may be what everybody waits for.
func (s *scheduler) rest() time.Duration {
	if s.calm == 0 || s.held || len(s.alive) <= calmFewer {
		return 0
	}
	return min(s.interval()/3, mostRest)
}

// relax decides anew for how long reports may be missed.
func (s *scheduler) relax(now time.Time) {
	dt := now.Sub(s.relaxed)
	if dt < relaxEach {
		return
	}
	sent := float64(s.last-s.before) * float64(s.packet)
	s.relaxed, s.before, s.calm = now, s.last, 0
	if s.congestion.trial {
		return // its outcome is waited for
	}
	image := s.objects[protocol.ObjectImage]
	rate := sent / dt.Seconds()
	if left := float64(image.whole.Count()) * s.frame; left < rate*calmTail.Seconds() || rate == 0 {
		return
	}
	least := float64(1 << 40)
	for _, m := range s.alive {
		if m.state < protocol.ReceiverReceiving {
			return
		}
		least = min(least, m.space())
	}
	s.calm = time.Duration(least * calmSpace / rate * float64(time.Second))
}

// space is how many bytes the member takes until its next report arrives.
func (m *member) space() float64 {
	room := float64(m.report.Room)*1024 - interleave*protocol.BlockSize
	return max(0, min(room, float64(m.report.Buffer)*1024/2))
}
