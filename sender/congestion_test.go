package sender

import (
	"math/rand/v2"
	"testing"
	"time"
)

const (
	megabyte = 1e6
	tick     = 100 * time.Millisecond
)

// A network of 100 MB/s and a sender without limit: what is sent beyond that
// is lost.
func bottleneck(rate, capacity, other float64) (loss, delivered float64) {
	if rate == 0 {
		rate = 125 * megabyte // the sender's own link
	}
	delivered = min(rate, capacity) * (1 - other)
	return 1 - delivered/rate, delivered
}

func TestTrialCures(t *testing.T) {
	var c congestion
	c.update(tick, 0.2, 100*megabyte)
	if !c.trial || c.rate != 95*megabyte {
		t.Fatalf("with 20 %% loss: trial %v, rate %.0f; want one at 95 MB/s", c.trial, c.rate)
	}
	c.update(tick, 0.2, 100*megabyte) // still of what was sent before
	if healed := c.update(tick, 0, 95*megabyte); !healed || c.trial || c.rate != 95*megabyte || c.found != c.rate || c.base != 0 {
		t.Errorf("loss is gone: healed %v, %+v", healed, c)
	}
}

func TestTrialDoesNotCure(t *testing.T) {
	var c congestion
	c.update(tick, 0.2, 100*megabyte)
	c.update(tick, 0.2, 100*megabyte)
	if healed := c.update(tick, 0.2, 95*megabyte); healed || c.trial || c.rate != 0 || c.base != 0.2 {
		t.Errorf("loss stays: healed %v, %+v; want no limit, and this loss taken as the network's", healed, c)
	}
	for range 100 {
		c.update(tick, 0.21, 100*megabyte)
		if c.trial {
			t.Fatal("tried again for the same loss")
		}
	}
}

func TestRateGrows(t *testing.T) {
	c := congestion{rate: 50 * megabyte, found: 50 * megabyte}
	for range 10 {
		c.update(tick, 0, c.rate)
	}
	if c.rate < 51*megabyte || c.rate > 52*megabyte {
		t.Errorf("a second after it was found the rate is %.0f, want three hundredths more", c.rate)
	}
	for range 60 {
		c.update(tick, 0, c.rate)
	}
	if c.rate > 85*megabyte {
		t.Errorf("six seconds later it is %.0f, want a tenth more in each at the most", c.rate)
	}
	for range 120 {
		c.update(tick, 0, c.rate)
	}
	if c.rate != 0 {
		t.Errorf("twenty seconds without loss later the rate is %.0f, want no limit", c.rate)
	}
	c = congestion{rate: 10 * megabyte, most: 12 * megabyte, found: 1}
	for range 100 {
		c.update(tick, 0, c.rate)
	}
	if c.rate != 12*megabyte {
		t.Errorf("rate %.0f, want the user's limit", c.rate)
	}
}

func TestBottleneckIsFound(t *testing.T) {
	for _, capacity := range []float64{5, 12.5, 50, 100} {
		for _, other := range []float64{0, 0.05} {
			var c congestion
			var sent, lost float64
			for i := range 600 {
				loss, delivered := bottleneck(c.rate, capacity*megabyte, other)
				if i >= 100 {
					sent, lost = sent+delivered, lost+loss
				}
				c.update(tick, loss, delivered)
			}
			mean, loss := sent/500/megabyte, lost/500
			if mean < 0.85*capacity*(1-other) || loss > other+0.12 {
				t.Errorf("wire of %.1f MB/s with %.0f %% loss: %.1f MB/s arrive, %.1f %% are lost", capacity, 100*other, mean, 100*loss)
			}
		}
	}
}

func TestRandomLossDoesNotSlow(t *testing.T) {
	for _, loss := range []float64{0.01, 0.05, 0.1, 0.2, 0.28} {
		var c congestion
		slow := 0
		for range 600 {
			l, delivered := bottleneck(c.rate, 200*megabyte, loss)
			if c.update(tick, l, delivered); c.rate != 0 {
				slow++
			}
		}
		if slow > 4 {
			t.Errorf("with %.0f %% random loss the rate was limited %d times of 600", 100*loss, slow)
		}
	}
}

// Whatever receivers claim, the rate stays a number that something moves at.
func TestRateStaysSane(t *testing.T) {
	for _, most := range []float64{0, 50 * megabyte} {
		c := congestion{rate: most, most: most}
		for i := range 10_000 {
			c.update(tick, []float64{0, 1, 0.5, 0.99}[i*7%4], []float64{0, 1e-9, 1e30}[i*5%3])
			if c.rate != 0 && !(c.rate >= leastRate && c.rate <= 1e31) || most != 0 && (c.rate == 0 || c.rate > most) {
				t.Fatalf("step %d: rate %v, most %v", i, c.rate, most)
			}
		}
	}
}

// TestBucketDoesNotDeceive: a switch that limits multicast passes much more at
// first. The rate that arrives then is no rate to try.
func TestBucketDoesNotDeceive(t *testing.T) {
	var c congestion
	step := func(capacity float64) {
		loss, delivered := bottleneck(c.rate, capacity, 0)
		c.update(tick, loss, delivered)
	}
	step(50 * megabyte)
	for range 50 {
		step(12 * megabyte)
	}
	if c.rate == 0 || c.rate > 15*megabyte {
		t.Errorf("rate %.0f behind a limit of 12 MB/s that let 50 through at first", c.rate)
	}
}

// TestPolicerIsFound: a switch passes 12.5 MB/s of the 1250 that the sender's
// link carries, and a bucket of 20 MB at first; reports are half an interval early
// or late. In the minute after the first second little more is sent than passes.
func TestPolicerIsFound(t *testing.T) {
	const link, policed = 1250 * megabyte, 12.5 * megabyte
	worst := 0.0
	defer func() { t.Logf("sent %.3f times what passed at the worst", worst) }()
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 7))
		var c congestion
		var sent, got float64
		bucket := 20 * megabyte
		for i := range 610 {
			out := c.rate
			if out == 0 {
				out = link
			}
			out *= tick.Seconds()
			bucket += policed * tick.Seconds()
			in := min(out, bucket)
			bucket = min(bucket-in, 64<<10)
			if i >= 10 {
				sent, got = sent+out, got+in
			}
			c.update(tick, 1-in/out, in/tick.Seconds()/(0.5+random.Float64()))
		}
		worst = max(worst, sent/got)
		if sent > 1.1*got || got < 0.85*60*policed {
			t.Errorf("seed %d: sent %.0f MB, of which %.0f passed", seed, sent/megabyte, got/megabyte)
		}
	}
}

// TestSilenceIsNoVerdict: while nobody knows what arrives, a trial is neither won
// nor lost.
func TestSilenceIsNoVerdict(t *testing.T) {
	var c congestion
	c.update(tick, 0.9, 12*megabyte)
	c.update(tick, 0.9, 12*megabyte)
	tried := c.rate
	for range 10 {
		c.update(tick, 1, 0)
	}
	if !c.trial || c.rate != tried || c.base != 0 {
		t.Errorf("nothing was heard of a trial's outcome: %+v", c)
	}
}
