package simnet

import (
	"math"
	"math/rand/v2"
)

// chance hits each datagram with the same probability. It draws the gap to the
// next hit instead of drawing for every datagram, so that what it does not hit
// costs nothing.
type chance struct {
	p   float64
	gap int // datagrams before the next hit
}

// set changes the probability; the gap is drawn anew only if it changed.
func (c *chance) set(p float64, rng *rand.Rand) {
	if c.p != p {
		c.p = p
		c.draw(rng)
	}
}

// draw takes the gap from the geometric distribution by inverting it.
func (c *chance) draw(rng *rand.Rand) {
	if c.p >= 1 {
		c.gap = 0
		return
	}
	gap := math.Log(1-rng.Float64()) / math.Log1p(-c.p)
	c.gap = int(min(gap, math.MaxInt32))
}

// clear returns how many of the next n datagrams come before the next hit.
func (c *chance) clear(n int) int {
	if c.p <= 0 {
		return n
	}
	return min(n, c.gap)
}

// skip lets n clear datagrams pass.
func (c *chance) skip(n int) { c.gap -= n }

// hit lets one datagram pass and reports whether it is hit.
func (c *chance) hit(rng *rand.Rand) bool {
	switch {
	case c.p <= 0:
		return false
	case c.gap > 0:
		c.gap--
		return false
	}
	c.draw(rng)
	return true
}

// bursts hits Length datagrams in a row.
type bursts struct {
	Burst
	start chance
	gap   int // before the next burst, if periodic
	left  int // of the burst going on
}

func newBursts(b Burst, rng *rand.Rand) bursts {
	s := bursts{Burst: b}
	if b.Length <= 0 || b.Loss <= 0 {
		s.Length = 0
		return s
	}
	if !b.Periodic {
		// A burst of L after a mean gap of g = L(1-r)/r loses the share r;
		// the geometric distribution of p has the mean (1-p)/p.
		s.start.set(1/(1+float64(b.Length)*(1-b.Loss)/b.Loss), rng)
	}
	return s
}

func (s *bursts) clear(n int) int {
	switch {
	case s.Length == 0:
		return n
	case s.left > 0:
		return 0
	case s.Periodic:
		return min(n, s.gap)
	}
	return s.start.clear(n)
}

func (s *bursts) skip(n int) {
	s.gap -= n
	s.start.skip(n)
}

func (s *bursts) hit(rng *rand.Rand) bool {
	switch {
	case s.Length == 0:
		return false
	case s.left > 0:
		s.left--
		return true
	case s.Periodic:
		if s.gap > 0 {
			s.gap--
			return false
		}
		s.gap = int(math.Round(float64(s.Length)/s.Loss)) - s.Length
	case !s.start.hit(rng):
		return false
	}
	s.left = s.Length - 1
	return true
}
