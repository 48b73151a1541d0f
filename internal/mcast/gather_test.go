package mcast

import (
	"testing"
	"time"
)

func TestGatherTime(t *testing.T) {
	const want, longest = 512 << 10, 10 * time.Millisecond
	for _, c := range []struct {
		rate float64
		d    time.Duration
	}{
		{0, longest},
		{25e6, longest}, // 200 Mbit/s
		{262144000, 2 * time.Millisecond},
		{1e12, gatherLeast},
	} {
		if d := gatherTime(want, c.rate, longest); d != c.d {
			t.Errorf("at %g B/s: %v, want %v", c.rate, d, c.d)
		}
	}
}
