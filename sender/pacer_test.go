package sender

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPacer: over time exactly the rate goes out, and never more at once than
// a burst, however late the sender wakes and whatever the datagrams' size.
func TestPacer(t *testing.T) {
	for _, rate := range []float64{1e3, 125e3, 12.5e6, 125e6, 1.25e9} {
		for _, packet := range []int{488, 1448, 8936, 65448} {
			random := rand.New(rand.NewPCG(1, 2))
			var p pacer
			begin := time.Unix(1000, 0)
			now, sent, most := begin, 0.0, 0.0
			size := float64(packet + wireOverhead)
			p.allow(now, rate, packet)
			first := p.tokens
			for range 5000 {
				n, at := p.allow(now, rate, packet)
				if n == 0 {
					if !at.After(now) {
						t.Fatalf("rate %v packet %d: nothing may go, and it says to look again at once", rate, packet)
					}
					now = at.Add(time.Duration(random.Int64N(int64(20 * time.Microsecond)))) // a timer is late
					continue
				}
				bytes := int(size) * n
				most = max(most, float64(bytes))
				p.spend(bytes)
				sent += float64(bytes)
				now = now.Add(time.Duration(random.Int64N(int64(50 * time.Microsecond))))
			}
			p.allow(now, rate, packet)
			got := (sent - first + p.tokens) / now.Sub(begin).Seconds()
			if math.Abs(got/rate-1) > 1e-4 {
				t.Errorf("rate %v packet %d: %v on average", rate, packet, got)
			}
			if most > p.most(rate, packet) {
				t.Errorf("rate %v packet %d: %v bytes at once, want ≤ %v", rate, packet, most, p.most(rate, packet))
			}
		}
	}
}
