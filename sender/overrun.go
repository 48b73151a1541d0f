package sender

import (
	"time"

	"github.com/pxecast/pxecast/protocol"
)

const (
	// heldMost is the share of the sender's time for which one member may be
	// what all the others wait for, heldTime the time over which that share is
	// smoothed: after a quarter of a second it is overrun, on trial.
	heldMost = 0.4
	heldTime = time.Second / 2

	// reviewEach is how long a trial lasts, and between two looks at whether an
	// overrun member still is too slow.
	reviewEach = time.Second

	// leastGain is the share of its blocks that the others would have had to
	// wait for: whoever misses less is waited for, at that price for the others,
	// and none of it is sent twice.
	leastGain = 0.1

	// trustFirst is for how long that holds, as long as blocks are written; each
	// time twice as long as the last, up to trustMost.
	trustFirst = 20 * time.Second
	trustMost  = 2 * time.Minute
)

// overrun is whether a member is not waited for, because it holds up the others
// who could go faster. Whether they can is tried, as it can't be known before:
// for a second the room goes on without it. If by then it missed much of what
// was sent, it stays overrun until it keeps up by itself; it sheds or loses, and
// gets its blocks in a later cycle. If not, it is as fast as the others.
type overrun struct {
	since   time.Time // zero: it is waited for
	behind  time.Time // when the window was last closed for it
	trusted time.Time // waited for in any case until then
	trust   time.Duration
	last    look
}

// look is what was seen of a member and of the room at one moment.
type look struct {
	at       time.Time
	front    protocol.Seq // the most that one of those that are waited for has taken
	reported time.Time    // when the report came
	report   protocol.Report
}

func lookAt(now time.Time, m *member, front protocol.Seq) look {
	return look{now, front, m.reported, m.report}
}

// due reports whether it is time for another look at the member, and it has told
// enough since the last one.
func (l *look) due(now time.Time, m *member) bool {
	return now.Sub(l.at) >= reviewEach && m.reported.Sub(l.reported) >= reviewEach/2
}

// is reports whether the member is not waited for.
func (o *overrun) is() bool { return !o.since.IsZero() }

// begin overruns a member, front being the most that one of the others has taken,
// unless a trial showed not long ago that little is gained by it and it has gone on
// writing since.
func (o *overrun) begin(now time.Time, m *member, front protocol.Seq) bool {
	if now.Before(o.trusted) {
		if !o.last.due(now, m) {
			return false
		}
		hangs := m.report.Counters.Lanes[0] == o.last.report.Counters.Lanes[0]
		o.last = lookAt(now, m, front)
		if !hangs {
			return false
		}
		o.doubt()
	}
	o.since, o.behind = now, now
	o.last = lookAt(now, m, front)
	return true
}

// review ends it when the member keeps up, or missed little.
func (o *overrun) review(now time.Time, m *member, keepsUp bool, front protocol.Seq) {
	if !keepsUp {
		o.behind = now
	}
	if !o.last.due(now, m) {
		return
	}
	seen := lookAt(now, m, front)
	missed, known := missed(&o.last.report, &seen.report)
	piled, compared := piled(&o.last, &seen)
	switch {
	case now.Sub(o.behind) >= reviewEach:
		o.end()
	case known && compared && max(missed, piled) < leastGain:
		o.end()
		o.trust = min(max(trustFirst, 2*o.trust), trustMost)
		o.trusted = now.Add(o.trust)
	}
	o.last = seen
}

// end lets the room wait for the member.
func (o *overrun) end() { o.since = time.Time{} }

// doubt forgets what a trial showed: it holds for the machines that were there.
func (o *overrun) doubt() { o.trusted, o.trust = time.Time{}, 0 }

// piled returns the share of what the others took between two looks that came to
// wait in a receiver's socket, which may hold a second of it before any is
// dropped. It compares paces, as its report is older than what is known of them;
// that can't be done before the receiver has taken something, or when they took nothing.
func piled(from, to *look) (share float64, compared bool) {
	theirs := float64(to.front) - float64(from.front)
	if theirs <= 0 || from.report.AsOf == 0 {
		return 0, false
	}
	own := float64(to.report.AsOf) - float64(from.report.AsOf)
	return max(0, 1-own/to.reported.Sub(from.reported).Seconds()/(theirs/to.at.Sub(from.at).Seconds())), true
}

// missed returns the share of what was for it that a receiver did not take
// between two reports: of blocks, those that it shed or that came to wait for
// its disk; of datagrams, those that its socket dropped. It is not known when
// nothing was for it.
func missed(from, to *protocol.Report) (share float64, known bool) {
	a, b := &from.Counters, &to.Counters
	written := float64(b.Lanes[0]) - float64(a.Lanes[0])
	late := float64(b.Shed) - float64(a.Shed) + float64(to.Queued) - float64(from.Queued)
	received := float64(b.Received) - float64(a.Received)
	dropped := float64(b.Overflow) - float64(a.Overflow)
	if written+late > 0 {
		share = late / (written + late)
	}
	if received+dropped > 0 {
		share = max(share, dropped/(received+dropped))
	}
	return share, written+late > 0
}
