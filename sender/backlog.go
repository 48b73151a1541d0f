package sender

import "time"

const (
	// backlogTime of the link's rate may wait on this machine. A WELCOME, an
	// announcement or a repair waits behind it: on a link of some megabits, which
	// a full send buffer would keep busy for seconds, receivers gave up before
	// they were admitted. Cards that are slow to say what they have sent, and
	// our own late wakes, take a few milliseconds of it.
	backlogTime = 50 * time.Millisecond
	// leastBacklog may always wait, so that a wake is worth it. On 2 Mbit/s that
	// is backlogTime and a little.
	leastBacklog = 16 << 10
	// firstBacklog is what goes before the link's rate is known.
	firstBacklog = 128 << 10
	// drainTime is the least time over which the rate is measured.
	drainTime = 20 * time.Millisecond
	// mostBacklog is what a send buffer takes at the most: on a link that takes it
	// in backlogTime that is bound enough, and looking is dear.
	mostBacklog = 2 << 20
)

// backlog keeps short what waits on this machine for its own link: nothing else
// tells how fast that is, as a shaper, a modem or a VPN is slower than its card.
type backlog struct {
	rate  float64   // bytes a second that the link takes, or at least takes; 0 unknown
	since time.Time // when the measure of it began
	left  int       // bytes that waited then
	wrote int       // bytes written since then
	busy  bool      // the link had something to send whenever we looked since
}

// allow returns how many datagrams of packet bytes may be written now, and if
// none, when to look again. queued tells how many bytes wait already.
func (b *backlog) allow(now time.Time, packet int, queued func() int) (n int, at time.Time) {
	if b.rate*backlogTime.Seconds() >= mostBacklog && now.Sub(b.since) < drainTime {
		return 1 << 20, now
	}
	waits := queued()
	b.measure(now, waits)
	size := packet + wireOverhead
	most := max(b.rate*backlogTime.Seconds(), leastBacklog, float64(size))
	if b.rate == 0 {
		most = max(firstBacklog, float64(size))
	}
	if free := most - float64(waits); free >= float64(size) {
		return int(free) / size, now
	}
	over := max(float64(waits)-most/2, float64(size))
	return 0, now.Add(time.Duration(over/max(b.rate, leastRate)*1e9) + time.Microsecond)
}

// measure takes what left this machine for the rate of the link if it was busy
// all the time, and else for one that it reaches. It follows upwards at once and
// downwards slowly: sessions that share a link each believe in nearly all of it,
// so that all have as much waiting, and an equal share. Were it the mean, whose
// measure is once the larger would keep the larger share.
func (b *backlog) measure(now time.Time, queued int) {
	b.busy = b.busy && queued > 0
	dt := now.Sub(b.since)
	if dt < drainTime {
		return
	}
	drained := float64(b.left+b.wrote-queued) / dt.Seconds()
	switch {
	case b.since.IsZero():
	case b.busy && b.rate != 0:
		b.rate = max(drained, b.rate+(max(0, drained)-b.rate)/4)
	default:
		b.rate = max(b.rate, drained)
	}
	b.since, b.left, b.wrote, b.busy = now, queued, 0, queued > 0
}

// spend takes what was written.
func (b *backlog) spend(bytes int) { b.wrote += bytes }
