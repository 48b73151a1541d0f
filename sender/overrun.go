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
	looked  time.Time // at its report, which then was
	last    protocol.Report
	sent    protocol.Seq // the highest then
}

// is reports whether the member is not waited for.
func (o *overrun) is() bool { return !o.since.IsZero() }

// begin overruns a member, r being its latest report and sent the highest sequence
// number, unless a trial showed not long ago that little is gained by it and it
// has gone on writing since.
func (o *overrun) begin(now time.Time, r *protocol.Report, sent protocol.Seq) bool {
	if now.Before(o.trusted) {
		if now.Sub(o.looked) < reviewEach {
			return false
		}
		hangs := r.Counters.Lanes[0] == o.last.Counters.Lanes[0]
		o.look(now, r, sent)
		if !hangs {
			return false
		}
		o.trusted, o.trust = time.Time{}, 0
	}
	o.since, o.behind = now, now
	o.look(now, r, sent)
	return true
}

func (o *overrun) look(now time.Time, r *protocol.Report, sent protocol.Seq) {
	o.looked, o.last, o.sent = now, *r, sent
}

// review ends it when the member keeps up, or missed little.
func (o *overrun) review(now time.Time, r *protocol.Report, keepsUp bool, sent protocol.Seq) {
	if !keepsUp {
		o.behind = now
	}
	if now.Sub(o.looked) < reviewEach {
		return
	}
	missed, known := missed(&o.last, r)
	missed = max(missed, piled(o.sent, sent, o.last.AsOf, r.AsOf))
	switch {
	case now.Sub(o.behind) >= reviewEach:
		o.since = time.Time{}
	case known && missed < leastGain:
		o.since = time.Time{}
		o.trust = min(max(trustFirst, 2*o.trust), trustMost)
		o.trusted = now.Add(o.trust)
	}
	o.look(now, r, sent)
}

// piled returns the share of what was sent between two looks that came to wait
// in a receiver's socket, which may hold a second of it before any is dropped.
func piled(sentBefore, sent, asOfBefore, asOf protocol.Seq) float64 {
	n := int64(sent - sentBefore)
	if n <= 0 || asOfBefore == 0 {
		return 0
	}
	return max(0, float64(n-int64(asOf-asOfBefore))/float64(n))
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
