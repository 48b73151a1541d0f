package sender

import "time"

const (
	// leastBurst and mostBurst bound what goes at once by default: some
	// datagrams, so that a wake is worth it, and one train, which the small
	// buffer of a switch's port takes while it still sends the one before.
	leastBurst = 16 << 10
	mostBurst  = 64 << 10
	// burstTime of the rate makes a burst between the two: a hundred megabits
	// leave a switch slowly, so they come in small pieces.
	burstTime = 2 * time.Millisecond
	// lateTime of the rate is made up for after a late wake, burst by burst:
	// timers are late by a millisecond and more on a busy machine. The rest is
	// lost rather than sent in a clump.
	lateTime = 5 * time.Millisecond
)

// pacer is a token bucket in bytes on the wire.
type pacer struct {
	burst  int // bytes that may go at once; 0 by the rate
	tokens float64
	last   time.Time
	busy   bool // since then something was sent, or waited for its time
}

// most returns what may go at once at a given rate, always one datagram,
// however large.
func (p *pacer) most(rate float64, packet int) float64 {
	most := float64(p.burst)
	if p.burst == 0 {
		most = min(max(rate*burstTime.Seconds(), leastBurst), mostBurst)
	}
	return max(most, float64(packet+wireOverhead))
}

// allow returns how many datagrams of packet bytes may go now at rate bytes a
// second (0: no limit), and if none, when. It lets a whole burst go at a time.
func (p *pacer) allow(now time.Time, rate float64, packet int) (n int, at time.Time) {
	if rate == 0 {
		p.last, p.tokens = now, 0
		return 1 << 20, now
	}
	size := float64(packet + wireOverhead)
	most := p.most(rate, packet)
	bound := most
	if p.busy { // else nobody was late: there was nothing to send
		bound += rate * lateTime.Seconds()
	}
	p.tokens = min(p.tokens+rate*now.Sub(p.last).Seconds(), bound)
	p.last = now
	n = int(most / size)
	missing := float64(n)*size - p.tokens
	p.busy = missing > 0
	if p.busy {
		return 0, now.Add(time.Duration(missing/rate*1e9) + time.Microsecond)
	}
	return n, now
}

// spend takes what was sent.
func (p *pacer) spend(bytes int) {
	p.tokens -= float64(bytes)
	p.busy = true
}
