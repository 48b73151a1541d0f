package sender

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPacer: over time exactly the rate goes out, however late the sender's timer
// wakes it, by 2 ms as well, and whatever the datagrams' size; and no more at a
// time than a burst, of which several follow each other after a late wake.
func TestPacer(t *testing.T) {
	for _, late := range []time.Duration{20 * time.Microsecond, 2 * time.Millisecond} {
		for _, rate := range []float64{1e3, 125e3, 12.5e6, 125e6, 1.25e9} {
			for _, packet := range []int{488, 1448, 8936, 65448} {
				testPacer(t, late, rate, packet)
			}
		}
	}
}

func testPacer(t *testing.T, late time.Duration, rate float64, packet int) {
	random := rand.New(rand.NewPCG(1, 2))
	var p pacer
	begin := time.Unix(1000, 0)
	now, sent, most, clump, row := begin, 0.0, 0.0, 0.0, 0.0
	size := float64(packet + wireOverhead)
	p.allow(now, rate, packet)
	first := p.tokens
	for range 5000 {
		n, at := p.allow(now, rate, packet)
		if n == 0 {
			if !at.After(now) {
				t.Fatalf("rate %v packet %d: nothing may go, and it says to look again at once", rate, packet)
			}
			now, row = at.Add(late/2+time.Duration(random.Int64N(int64(late)/2+1))), 0
			continue
		}
		bytes := int(size) * n
		row += float64(bytes)
		most, clump = max(most, float64(bytes)), max(clump, row)
		p.spend(bytes)
		sent += float64(bytes)
	}
	p.allow(now, rate, packet)
	got := (sent - first + p.tokens) / now.Sub(begin).Seconds()
	if math.Abs(got/rate-1) > 1e-4 {
		t.Errorf("rate %v packet %d late by %v: %v on average", rate, packet, late, got)
	}
	burst := p.most(rate, packet)
	if most > burst {
		t.Errorf("rate %v packet %d: %v bytes at once, want ≤ %v", rate, packet, most, burst)
	}
	if clump > burst+rate*lateTime.Seconds() {
		t.Errorf("rate %v packet %d: %v bytes in a row", rate, packet, clump)
	}
}
