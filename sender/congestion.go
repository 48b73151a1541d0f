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
	// rate is lowered until the loss is less.
	absurd = 0.3

	// The rate grows by so much in a second: near the one that was found, more
	// than a tenth beyond it, and at twice of it, which disproves it.
	growNear, growBeyond, growFar = 0.03, 0.1, 0.5

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
	case !(delivered > 0): // not known
	case c.wait:
		c.wait = false
	case c.trial && loss > absurd:
		c.lower(loss, delivered)
	case c.trial && loss-c.base < cured*(c.prior.loss-c.base):
		c.trial, c.found = false, c.rate
		return true
	case c.trial:
		c.trial, c.rate, c.base = false, c.prior.rate, loss
	case loss > c.base+trialLoss:
		c.lower(loss, delivered)
	default:
		c.base += min(0, loss-c.base) / 8
		c.grow(dt.Seconds())
	}
	return false
}

// lower begins a trial, or goes on with one: what arrives should arrive without
// more loss than base. If that is in vain, this rate comes back; but none at
// which the loss was absurd, if it was without limit.
func (c *congestion) lower(loss, delivered float64) {
	c.prior.rate, c.prior.loss = c.rate, loss
	rate := delivered
	if c.rate != 0 {
		rate = min(rate, c.rate*(1-loss)) // reports' times may deceive
	} else if loss > absurd {
		c.prior.rate = delivered
	}
	if loss <= absurd {
		rate /= 1 - c.base
	}
	if rate = max(0.95*rate, leastRate); c.rate != 0 {
		rate = min(rate, c.rate)
	}
	c.rate = rate
	c.trial, c.wait = true, true
}

// grow probes upwards.
func (c *congestion) grow(seconds float64) {
	if c.rate == 0 {
		return
	}
	by := growFar
	if c.rate < 1.1*c.found {
		by = growNear
	} else if c.rate < 2*c.found {
		by = growBeyond
	}
	c.rate *= 1 + by*min(seconds, 1)
	if c.most != 0 {
		c.rate = min(c.rate, c.most)
	} else if c.rate > 16*c.found && c.found > 0 {
		c.rate = 0 // whatever it was, it is over
	}
}
