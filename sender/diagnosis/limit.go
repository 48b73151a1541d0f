package diagnosis

import "slices"

const (
	lossyLimit   = 0.02  // loss of a sample that may come from a limit
	cleanLimit   = 0.005 // and of one that certainly does not
	flatNear     = 0.15  // deviation from the median that still counts as flat
	flatShare    = 0.75  // of the samples that must be flat
	leastSamples = 3
	settling     = 2    // samples at the beginning that may be of what was saved up
	cleanRate    = 1.02 // of the cap, that can be sent without loss
	variety      = 1.4  // highest over lowest sending rate, for a flat one to mean anything
)

// limit returns the datagrams a second at which something on the way caps what
// arrives, 0 if nothing seems to. A cap shows as arrivals that stay the same
// however much more is sent. A bad cable is different: it takes its share of any
// rate.
func limit(samples []Sample) float64 {
	var lossy, clean []Sample
	for _, s := range samples {
		switch loss := per(s.Lost, s.Received+s.Lost); {
		case s.Seconds <= 0 || s.Received <= 0:
		case loss >= lossyLimit:
			lossy = append(lossy, s)
		case loss <= cleanLimit:
			clean = append(clean, s)
		}
	}
	if len(lossy) < leastSamples {
		return 0
	}
	// What a limit had saved up comes through at the beginning, and the reports of it
	// come late: a sample or two arrive faster than what follows.
	arrived, sent := rates(lossy)
	for range settling {
		if len(arrived) > leastSamples && arrived[0] > median(arrived)*(1+flatNear) {
			arrived = arrived[1:]
		}
	}
	at := median(arrived)
	near := 0
	for _, a := range arrived {
		if a >= at*(1-flatNear) && a <= at*(1+flatNear) {
			near++
		}
	}
	if float64(near) < flatShare*float64(len(arrived)) {
		return 0
	}
	// It must not arrive faster at any time, and loss must go with the rate:
	// nothing is lost below the cap, or very different rates arrive alike.
	calm, slow := rates(clean)
	for _, a := range calm {
		if a > at*(1+flatNear) {
			return 0
		}
	}
	follows := len(clean) >= leastSamples && median(slow) <= at*cleanRate
	if !follows && slices.Max(sent) < variety*slices.Min(sent) {
		return 0
	}
	return at
}

// rates returns what arrived and what was sent a second.
func rates(samples []Sample) (arrived, sent []float64) {
	for _, s := range samples {
		arrived = append(arrived, s.Received/s.Seconds)
		sent = append(sent, float64(s.Sent)/s.Seconds)
	}
	return arrived, sent
}

// median returns the upper median, 0 of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
