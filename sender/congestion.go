package sender

import "time"

// congestion decides the rate in bytes a second from the loss that the body
// of the group sees. Full buffers of the receivers are the window's business;
// this is for a network that is slower than our own link: a 1 Gb/s switch port
// behind a 10 Gb/s card drops what is too much.
//
// Loss alone does not say whose fault it is, so a lower rate is tried: if the
// loss falls with it, the rate was too high; if not, the loss is the
// network's own and the former rate comes back.
type congestion struct {
	rate  float64 // bytes a second; 0 no limit
	most  float64 // the user's or the link's limit; 0 none
	base  float64 // loss that a lower rate did not cure
	trial bool    // rate was lowered to see what the loss does
	again bool    // the trial is a second one
	wait  bool    // what was sent before the trial still counts in the next update
	prior struct{ rate, loss float64 }
	found float64 // rate at which loss was last cured; 0 never
}

const (
	// trialLoss is the loss above base that is worth a trial. Less costs little
	// parity, and no bad cable or noise of the measure gets there often.
	trialLoss = 0.12
	cured     = 0.5 // of the loss, when a lower rate was the cure

	// absurd is a loss that no network has by itself. What arrived before the
	// trial may have been the last of a switch's buffer or token bucket, so the
	// trial is repeated once with what arrives now.
	absurd = 0.3

	// leastRate in bytes a second is tried at the lowest: less than the oldest
	// Ethernet carries. Who reports less of what arrives is wrong, or lies.
	leastRate = 256 << 10

	// A measure of loss takes that many datagrams: losses come in rows of up
	// to 45, so fewer would be a hundred throws of the dice at the most.
	sample     = 5000
	sampleTime = time.Second // or that long, on slow wires
)

// update takes the median of the members' loss (0..1) and of the bytes a second
// that reached them in the dt since the last update. It reports whether a lower
// rate has just cured the loss: then what was lost before says nothing of the
// network.
func (c *congestion) update(dt time.Duration, loss, delivered float64) (healed bool) {
	switch {
	case c.wait:
		c.wait = false
	case c.trial && loss-c.base < cured*(c.prior.loss-c.base):
		c.trial, c.again, c.found = false, false, c.rate
		return true
	case c.trial && loss > absurd && !c.again && delivered > 0:
		c.again, c.wait, c.prior.loss = true, true, loss
		c.rate = max(min(c.rate, 0.95*delivered/(1-c.base)), leastRate)
	case c.trial:
		c.trial, c.again, c.rate, c.base = false, false, c.prior.rate, loss
	case loss > c.base+trialLoss && delivered > 0:
		c.prior.rate, c.prior.loss = c.rate, loss
		c.trial, c.wait, c.rate = true, true, 0.95*delivered/(1-c.base)
		if c.prior.rate != 0 {
			c.rate = min(c.rate, 0.95*c.prior.rate)
		}
		c.rate = max(c.rate, leastRate)
	default:
		c.base += min(0, loss-c.base) / 8
		c.grow(dt.Seconds())
	}
	return false
}

// grow probes upwards: by a little in a second near the rate that was found,
// faster beyond it.
func (c *congestion) grow(seconds float64) {
	if c.rate == 0 {
		return
	}
	if c.rate < c.found*1.1 {
		c.rate *= 1 + 0.03*min(seconds, 1)
	} else {
		c.rate *= 1 + 0.5*min(seconds, 1)
	}
	if c.most != 0 {
		c.rate = min(c.rate, c.most)
	} else if c.rate > 16*c.found && c.found > 0 {
		c.rate = 0 // whatever it was, it is over
	}
}
