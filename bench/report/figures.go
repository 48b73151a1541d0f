package report

import (
	"cmp"
	"slices"
)

// spread is the middle and the ends of some figures.
type spread struct{ min, median, max float64 }

func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	v = slices.Sorted(slices.Values(v))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (mid + v[len(v)/2-1]) / 2
	}
	return spread{v[0], mid, v[len(v)-1]}
}

// relative is how far the figures lie apart, as a part of the median.
func (s spread) relative() float64 {
	if s.median == 0 {
		return 0
	}
	return (s.max - s.min) / s.median
}

// figures are what the repetitions of one contender in one scenario come to.
type figures struct {
	runs, failed int    // repetitions, and how many of them did not finish
	reason       string // of the first that did not

	speed                    spread // MB/s of disk restored, over all clients and repetitions
	client, clientUser       spread // core-seconds per GB of disk of one client, the same way; all, and user alone
	user, system             spread // of the sender, over repetitions
	sent                     spread // user core-seconds of the sender per GB of packed image, over repetitions
	clientMemory, peakMemory int64  // the most, at a client and at the sender
	wire                     spread // bytes on the wire ÷ bytes of the packed image
	time                     spread // start to the last client's end ÷ the wire's minimum; wire-bound only
}

// finished reports whether there is something to compare: at least one run.
func (f figures) finished() bool { return f.runs > f.failed }

// minimum is how long the wire takes for the packed image alone, in seconds; 0
// if the wire is not what binds.
func (s Scenario) minimum() float64 {
	if s.RateMbit == 0 {
		return 0
	}
	return float64(s.PackedBytes) * 8 / (s.RateMbit * 1e6)
}

// rates are MB/s of disk at every client of a run.
func (res Result) rates() []float64 {
	var v []float64
	for _, c := range res.Clients {
		if c.Seconds > 0 {
			v = append(v, float64(res.Scenario.RawBytes)/1e6/c.Seconds)
		}
	}
	return v
}

// ok reports whether a run finished.
func (res Result) ok() bool { return res.Error == "" && len(res.rates()) > 0 }

// figures sums up the runs of a contender in a scenario.
func (r *Report) figures(s Scenario, contender string) figures {
	var f figures
	var speed, client, clientUser, user, system, sent, wire, times []float64
	for _, res := range r.Results {
		if res.Scenario != s || res.Contender != contender {
			continue
		}
		f.runs++
		if !res.ok() {
			if f.failed++; f.reason == "" {
				f.reason = cmp.Or(res.Error, "no client has a time")
			}
			continue
		}
		speed = append(speed, res.rates()...)
		last := 0.0
		for _, c := range res.Clients {
			client = append(client, (c.UserSeconds+c.SystemSeconds)/gb(s.RawBytes))
			clientUser = append(clientUser, c.UserSeconds/gb(s.RawBytes))
			f.clientMemory = max(f.clientMemory, c.PeakMemory)
			last = max(last, c.Seconds)
		}
		user = append(user, res.Sender.UserSeconds/gb(s.RawBytes))
		system = append(system, res.Sender.SystemSeconds/gb(s.RawBytes))
		f.peakMemory = max(f.peakMemory, res.Sender.PeakMemory)
		if s.PackedBytes > 0 {
			sent = append(sent, res.Sender.UserSeconds/gb(s.PackedBytes))
			wire = append(wire, float64(res.WireBytes)/float64(s.PackedBytes))
		}
		if least := s.minimum(); least > 0 {
			times = append(times, last/least)
		}
	}
	f.speed, f.client, f.clientUser = spreadOf(speed), spreadOf(client), spreadOf(clientUser)
	f.user, f.system = spreadOf(user), spreadOf(system)
	f.sent, f.wire, f.time = spreadOf(sent), spreadOf(wire), spreadOf(times)
	return f
}

func gb(bytes int64) float64 { return float64(bytes) / 1e9 }

// ratios are, for each repetition that both finished, the median client's MB/s
// of pxecast ÷ that of the rival.
func (r *Report) ratios(s Scenario, rival string) []float64 {
	speeds := func(contender string) map[int]float64 {
		m := map[int]float64{}
		for _, res := range r.Results {
			if res.Scenario == s && res.Contender == contender && res.ok() {
				m[res.Repetition] = spreadOf(res.rates()).median
			}
		}
		return m
	}
	own, other := speeds(Pxecast), speeds(rival)
	var v []float64
	for rep, speed := range own {
		if other[rep] > 0 {
			v = append(v, speed/other[rep])
		}
	}
	return v
}

// limit returns the machine's limit for a scenario. It holds where the CPU is
// what binds and nothing is lost: with loss the lab can't use the offloads that
// the limit is measured with.
func (r *Report) limit(s Scenario) (Limit, bool) {
	if s.RateMbit > 0 || s.LossPercent > 0 {
		return Limit{}, false
	}
	for _, l := range r.Limits {
		if l.Image == s.Image && l.Receivers == s.Receivers && l.MBPerS > 0 {
			return l, true
		}
	}
	return Limit{}, false
}

// scenarios lists those of the results that match, in the order of the tables.
func (r *Report) scenarios(match func(Scenario) bool) []Scenario {
	var all []Scenario
	for _, res := range r.Results {
		if !slices.Contains(all, res.Scenario) && match(res.Scenario) {
			all = append(all, res.Scenario)
		}
	}
	slices.SortStableFunc(all, func(a, b Scenario) int {
		return cmp.Or(cmp.Compare(a.RateMbit, b.RateMbit), cmp.Compare(a.Image, b.Image), cmp.Compare(a.RawBytes, b.RawBytes),
			cmp.Compare(a.LossPercent, b.LossPercent), cmp.Compare(a.Receivers, b.Receivers))
	})
	return all
}
