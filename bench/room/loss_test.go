package room

import (
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
)

// TestLoss sends noise to four receivers through links that lose, and holds
// what was sent against what the loss alone makes necessary.
func TestLoss(t *testing.T) {
	cases := []struct {
		name string
		loss lab.Loss
		most float64
	}{
		{"none", lab.Loss{}, 1.02},
		{"1 %", lab.Loss{Percent: 1}, 1.15 / 0.99},
		{"5 %", lab.Loss{Percent: 5}, 1.15 / 0.95},
		{"10 %", lab.Loss{Percent: 10}, 1.15 / 0.90},
		{"20 %", lab.Loss{Percent: 20}, 1.35 / 0.80},
		{"bursts of 100", lab.Loss{BurstEvery: 2000, BurstLength: 100}, 1.15 / 0.95},
	}
	r := newRoom(t, 4)
	image := r.noise("noise.img", 128<<20)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, h := range r.lab.Hosts()[1:] {
				if err := h.SetLoss(c.loss); err != nil {
					t.Fatal(err)
				}
			}
			r := r.in(t)
			s := r.send(image, "--min-receivers", "4", "--linger", "100ms")
			receivers := r.receiveAll(4, "--reuse", "never")
			v := r.allWell(image, s, receivers)
			for i, p := range receivers {
				v := r.last(p)
				t.Logf("receiver %d: %.0f MB/s, lost %d, shed %d, %d MB resident", i+1, v.Rate, v.Lost, v.Shed, p.rss()>>20)
			}
			got := v.overhead()
			t.Logf("sent %.3f × packed (at most %.3f) in %.2f s, %d MB resident", got, c.most, v.Seconds, s.rss()>>20)
			if got > c.most {
				t.Errorf("sent %.3f × packed, want ≤ %.3f", got, c.most)
			}
		})
	}
}
