package simulation

import (
	"fmt"
	"testing"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// TestEveryDiskIdenticalUnderLoss is the main promise, and what keeping it may
// cost: the bytes sent, relative to the packed image.
func TestEveryDiskIdenticalUnderLoss(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 1, 48<<20, true)
	cases := []struct {
		name  string
		cable simnet.Link
		most  float64
	}{
		{"none", simnet.Link{}, 1.02},
		{"1 %", simnet.Link{Loss: 0.01}, 1.15 / 0.99},
		{"5 %", simnet.Link{Loss: 0.05}, 1.15 / 0.95},
		{"10 %", simnet.Link{Loss: 0.10}, 1.15 / 0.90},
		{"20 %", simnet.Link{Loss: 0.20}, 1.35 / 0.80},
		{"bursts of 100, 2 %", simnet.Link{Burst: simnet.Burst{Length: 100, Loss: 0.02}}, 1.15 / 0.98},
		{"bursts of 100, 10 %", simnet.Link{Burst: simnet.Burst{Length: 100, Loss: 0.10}}, 1.15 / 0.90},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, uint64(i), p, simnet.Options{}, func(r *room) {
				r.sender.MinReceivers = 4
				r.send()
				for range 4 {
					r.join(c.cable)
				}
				r.finish()
				r.identical()
				r.Log(r.summary())
				if r.overhead() > c.most {
					r.Errorf("sent %.3f × the packed image, want ≤ %.3f", r.overhead(), c.most)
				}
			})
		})
	}
}

func (r *room) summary() string {
	s := fmt.Sprintf("sent %.3f × packed, %d packets", r.overhead(), r.status.Traffic.Packets)
	for i, p := range r.pcs {
		c := p.status.Counters
		s += fmt.Sprintf("\n  pc%d %v %.2f s, lost %d overflow %d repaired %d shed %d rejected %d err %v", i+1, p.status.State, p.status.Seconds, c.Lost, c.Overflow, c.Repaired, c.Shed, c.Rejected, p.err)
	}
	return s
}
