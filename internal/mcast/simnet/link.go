package simnet

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Packet is a datagram on a link. Data is shared: it must not be changed, nor
// kept.
type Packet struct {
	From, To netip.AddrPort
	Data     []byte
}

// Link says what one direction of a host's cable does to the datagrams that
// pass. The zero value passes all at once. Probabilities are per datagram,
// 0 to 1.
type Link struct {
	Down  bool                // the cable is cut
	Keep  func(p Packet) bool // false loses the datagram; nil keeps all; must not use the Net
	Loss  float64             // probability of being lost
	Burst Burst               // loss in bursts, besides Loss

	// Rate in bit/s that the link carries, 0 without limit; headers count for
	// nothing. Toward the host, what finds more than Queue bytes waiting
	// (default 256 KiB) is lost, as at a switch's port; from the host, writes
	// block.
	Rate  int64
	Queue int

	Duplicate float64 // probability of coming twice
	Corrupt   float64 // probability that 1 to 8 random bits are flipped

	Delay time.Duration // of every datagram

	// Reorder is the probability that a datagram takes up to ReorderDelay
	// (default 5 ms) longer, so that later ones overtake it.
	Reorder      float64
	ReorderDelay time.Duration
}

// Burst loses Length datagrams in a row so that Loss of all are lost in the
// mean (0 to below 1); 0 of either is none. Periodic loses the first Length of
// every Length/Loss; else bursts begin at random.
type Burst struct {
	Length   int
	Loss     float64
	Periodic bool
}

const (
	defaultQueue        = 256 << 10
	defaultReorderDelay = 5 * time.Millisecond
	maxFlips            = 8
)

// link is one direction of a cable. The net's lock guards it.
type link struct {
	Link
	rng     *rand.Rand
	blocks  bool // a full queue blocks the writer, nothing is lost
	lost    *Tallies
	freeAt  time.Time // when all that was accepted is on the wire
	lastOut time.Time // when the last that kept its order comes out

	loss, duplicate, corrupt, reorder chance
	burst                             bursts

	flights []flight // result of pass, reused
}

// flight is a row that comes out of a link at that time.
type flight struct {
	at  time.Time
	row row
}

func newLink(rng *rand.Rand, blocks bool, lost *Tallies) *link {
	l := &link{rng: rng, blocks: blocks, lost: lost}
	l.set(time.Now(), Link{})
	return l
}

// set changes what the link does from now on.
func (l *link) set(now time.Time, to Link) {
	if to.Queue == 0 {
		to.Queue = defaultQueue
	}
	if to.ReorderDelay == 0 {
		to.ReorderDelay = defaultReorderDelay
	}
	waiting := l.backlog(now)
	old := l.Link
	l.Link = to
	l.freeAt = now.Add(l.wireTime(waiting))
	l.loss.set(to.Loss, l.rng)
	l.duplicate.set(to.Duplicate, l.rng)
	l.corrupt.set(to.Corrupt, l.rng)
	l.reorder.set(to.Reorder, l.rng)
	if to.Burst != old.Burst {
		l.burst = newBursts(to.Burst, l.rng)
	}
}

// wireTime returns how long the link takes for so many bytes.
func (l *link) wireTime(bytes int) time.Duration {
	if l.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(bytes) * 8 / float64(l.Rate) * float64(time.Second))
}

// backlog returns the bytes that wait for the wire.
func (l *link) backlog(now time.Time) int {
	wait := l.freeAt.Sub(now)
	if l.Rate <= 0 || wait <= 0 {
		return 0
	}
	return int(math.Ceil(wait.Seconds() * float64(l.Rate) / 8))
}

// pass puts r on the link and returns what comes out of it and when; valid
// until the next pass.
func (l *link) pass(now time.Time, r row) []flight {
	l.flights = l.flights[:0]
	switch {
	case l.Down:
		l.lost.add(r)
	case l.Keep == nil:
		l.kept(now, r)
	default:
		for i := range r.len() {
			one := r.part(i, i+1)
			if l.Keep(Packet{From: r.from, To: r.to, Data: one.data}) {
				l.kept(now, one)
			} else {
				l.lost.add(one)
			}
		}
	}
	return l.flights
}

// kept loses datagrams of r by chance and in bursts.
func (l *link) kept(now time.Time, r row) {
	for n := r.len(); n > 0; n = r.len() {
		good := min(l.loss.clear(n), l.burst.clear(n))
		if good > 0 {
			l.loss.skip(good)
			l.burst.skip(good)
			l.queue(now, r.part(0, good))
			if good == n {
				return
			}
			r = r.part(good, n)
			n -= good
		}
		// Both must see the datagram, even if the first takes it.
		byLoss, byBurst := l.loss.hit(l.rng), l.burst.hit(l.rng)
		if byLoss || byBurst {
			l.lost.add(r.part(0, 1))
		}
		if n == 1 {
			return
		}
		r = r.part(1, n)
	}
}

// queue makes r wait for the wire, or loses what finds the queue full.
func (l *link) queue(now time.Time, r row) {
	if l.Rate <= 0 {
		l.wire(now, r)
		return
	}
	if !l.blocks {
		fit := max(0, (l.Queue-l.backlog(now))/max(r.size, 1))
		if n := r.len(); fit < n {
			l.lost.add(r.part(fit, n))
			if fit == 0 {
				return
			}
			r = r.part(0, fit)
		}
	}
	if l.freeAt.Before(now) {
		l.freeAt = now
	}
	l.freeAt = l.freeAt.Add(l.wireTime(len(r.data)))
	l.wire(l.freeAt, r)
}

// wire duplicates, corrupts and reorders.
func (l *link) wire(at time.Time, r row) {
	for {
		n := r.len()
		plain := min(l.duplicate.clear(n), l.corrupt.clear(n), l.reorder.clear(n))
		if plain > 0 {
			l.duplicate.skip(plain)
			l.corrupt.skip(plain)
			l.reorder.skip(plain)
			l.emit(at, r.part(0, plain))
			if plain == n {
				return
			}
			r = r.part(plain, n)
			n -= plain
		}
		one := r.part(0, 1)
		twice, corrupt, reorder := l.duplicate.hit(l.rng), l.corrupt.hit(l.rng), l.reorder.hit(l.rng)
		if twice {
			l.emit(at, one)
		}
		if corrupt {
			one = l.flip(one)
		}
		if reorder {
			late := at.Add(l.Delay + 1 + time.Duration(l.rng.Int64N(int64(l.ReorderDelay))))
			l.flights = append(l.flights, flight{late, one})
		} else {
			l.emit(at, one)
		}
		if n == 1 {
			return
		}
		r = r.part(1, n)
	}
}

// emit sends r through the cable. What is not reordered by chance keeps its
// order, even when rate or delay change meanwhile.
func (l *link) emit(at time.Time, r row) {
	at = at.Add(l.Delay)
	if at.Before(l.lastOut) {
		at = l.lastOut
	}
	l.lastOut = at
	l.flights = append(l.flights, flight{at, r})
}

// flip returns a copy of a datagram with some bits flipped.
func (l *link) flip(r row) row {
	if len(r.data) == 0 {
		return r
	}
	r.data = append([]byte(nil), r.data...)
	for range 1 + l.rng.IntN(maxFlips) {
		bit := l.rng.IntN(len(r.data) * 8)
		r.data[bit/8] ^= 1 << (bit % 8)
	}
	return r
}
