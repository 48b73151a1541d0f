package simulation

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// arrivals lets machines come at these moments after the first, and returns the
// most images that had been sent when one came.
func (r *room) arrivals(cable simnet.Link, moments []time.Duration) (missed float64) {
	slices.Sort(moments)
	begin := time.Now()
	r.add(cable, nil)
	for _, at := range moments {
		pass(time.Until(begin.Add(at)))
		missed = max(missed, float64(data(r.server.Counters().Sent))/float64(r.symbols()))
		r.add(cable, nil)
	}
	return missed
}

func moments(seed uint64, n int, within time.Duration) []time.Duration {
	random := rand.New(rand.NewPCG(seed, 7))
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = time.Duration(random.Int64N(int64(within)))
	}
	return all
}

// TestJoinersShareTheCarousel: eight machines come at random moments. The image
// is sent once, and of what they missed once more as much as the last of them
// missed: what several missed comes once for all of them.
func TestJoinersShareTheCarousel(t *testing.T) {
	t.Parallel()
	const wire = 40e6
	p := newPicture(t, 31, 24<<20, true)
	once := time.Duration(float64(p.packed.Manifest().PackedSize()) * 8 / wire * 1e9)
	seeds(t, 4, func(t *testing.T, seed uint64) {
		simulate(t, seed, p, simnet.Options{}, func(r *room) {
			r.server.SetOut(simnet.Link{Rate: wire})
			r.sender.Linger = 2 * once
			r.send()
			loss := []float64{0, 0.01}[seed%2]
			within := []time.Duration{once, 2 * once, 3 * once}[seed/2%3]
			missed := r.arrivals(simnet.Link{Loss: loss}, moments(seed, 7, within))
			r.finish()
			r.identical()
			most := 1.10 * (1 + missed) / (1 - loss)
			r.Logf("sent %.3f × packed, the last one missed %.3f: %.3f of the bound", r.overhead(), missed, r.overhead()/most)
			if r.overhead() > most {
				r.Errorf("sent %.3f × packed, want ≤ %.3f: the last one missed %.3f", r.overhead(), most, missed)
			}
		})
	})
}

// TestSpreadStartsCauseNoStorm: machines that are switched on within half a
// minute of each other, on a session that takes longer, get next to nothing twice.
func TestSpreadStartsCauseNoStorm(t *testing.T) {
	t.Parallel()
	const spread = 30 * time.Second
	p := newPicture(t, 32, 96<<20, true)
	seeds(t, 4, func(t *testing.T, seed uint64) {
		simulate(t, seed, p, simnet.Options{}, func(r *room) {
			r.sender.Rate = []int64{24e6, 16e6}[seed%2]
			r.sender.Linger = 5 * time.Second
			r.send()
			loss := []float64{0, 0.01}[seed/2%2]
			r.arrivals(simnet.Link{Loss: loss}, moments(seed, 7, spread))
			r.finish()
			r.identical()
			worst, most := 0.0, 0.10
			for i, p := range r.pcs {
				twice := float64(data(p.host.Counters().Received))/float64(r.symbols()) - 1
				worst = max(worst, twice)
				if twice > most {
					r.Errorf("pc%d received %.1f %% more than it needed", i+1, 100*twice)
				}
			}
			r.Logf("at the most %.1f %% twice; sent %.3f × packed", 100*worst, r.overhead())
		})
	})
}
