package main

import (
	"fmt"
	"math"
	"regexp"
	"slices"

	"github.com/pxecast/pxecast/bench/report"
)

// task is a scenario with the contenders that meet in it.
type task struct {
	source     source
	receivers  int
	rate, loss float64 // Mbit/s of the sender's port, 0 for no limit; percent
	entries    []entry
}

// entry is how often a contender runs.
type entry struct {
	contender   string
	repetitions int
}

// wireRate is slow enough that two cores carry it to 24 receivers.
const wireRate = 200

// name is what -scenario matches: cpu/debian/8, wire/noise/24/loss1.
func (t task) name() string {
	bound := "cpu"
	if t.rate > 0 {
		bound = "wire"
	}
	name := fmt.Sprintf("%s/%s/%d", bound, t.source.image(), t.receivers)
	if t.loss > 0 {
		name += fmt.Sprintf("/loss%g", t.loss)
	}
	return name
}

// repetitions is how often the contender that runs most often does.
func (t task) repetitions() int {
	most := 0
	for _, e := range t.entries {
		most = max(most, e.repetitions)
	}
	return most
}

// wants tells whether a contender takes part.
func (t task) wants(contender string) bool {
	return slices.ContainsFunc(t.entries, func(e entry) bool { return e.contender == contender })
}

// turn lists who runs in a repetition, 0 and on. The order turns from one to the
// next, so that the machine's drift hits all alike.
func (t task) turn(repetition int) []string {
	var names []string
	for _, e := range t.entries {
		if repetition < e.repetitions {
			names = append(names, e.contender)
		}
	}
	if len(names) == 0 {
		return nil
	}
	n := repetition % len(names)
	return append(names[n:], names[:n]...)
}

// fullPlan is what make bench runs, some forty minutes of it. Rivals run less
// often where a run takes minutes. Scenarios of one image follow each other.
func fullPlan() []task {
	return slices.Concat(debianTasks(), noiseTasks(), wireTasks())
}

func debianTasks() []task {
	var plan []task
	udpcast := map[int]int{1: 5, 4: 3, 8: 2, 16: 1}
	zstd := map[int]int{1: 5, 4: 5, 8: 3, 16: 2}
	for _, n := range []int{1, 4, 8, 16} {
		from := debianDisk
		if n == 16 {
			from = debianSmall
		}
		t := task{source: from, receivers: n, entries: []entry{
			{report.Pxecast, 5}, {report.RawLimit, 5}, {report.Udpcast, udpcast[n]}, {report.UdpcastZstd, zstd[n]}}}
		if n == 4 {
			t.entries = append(t.entries, entry{report.Uftp, 1}, entry{report.FirstSend, 2}, entry{report.SmallMemory, 2})
		}
		plan = append(plan, t)
		for _, loss := range []float64{1, 10} {
			t := task{source: from, receivers: n, loss: loss, entries: []entry{{report.Pxecast, 1}}}
			if n == 4 {
				t.entries = append(t.entries, entry{report.UdpcastZstd, 1})
			}
			plan = append(plan, t)
		}
	}
	return plan
}

func noiseTasks() []task {
	var plan []task
	for _, n := range []int{1, 4, 8, 16} {
		plan = append(plan, task{source: noiseDisk, receivers: n, entries: []entry{
			{report.Pxecast, 3}, {report.RawLimit, 3}, {report.Udpcast, 1}, {report.Uftp, 1}}})
	}
	for _, loss := range []float64{1, 10} {
		plan = append(plan, task{source: noiseDisk, receivers: 4, loss: loss, entries: []entry{{report.Pxecast, 1}, {report.Udpcast, 1}}})
	}
	return plan
}

func wireTasks() []task {
	var plan []task
	for _, n := range []int{1, 8, 24} {
		for _, loss := range []float64{0, 1, 10} {
			t := task{source: noiseDisk, receivers: n, rate: wireRate, loss: loss, entries: []entry{{report.Pxecast, 1}}}
			if loss == 0 {
				t.entries = []entry{{report.Pxecast, 2}, {report.RawLimit, 1}}
			}
			if n == 8 || n == 24 && loss == 0 {
				t.entries = append(t.entries, entry{report.Udpcast, 1})
			}
			if n == 8 {
				t.entries = append(t.entries, entry{report.Uftp, 1})
			}
			if n == 24 && loss == 10 {
				t.entries = append(t.entries, entry{report.SmallMemory, 1})
			}
			plan = append(plan, t)
		}
	}
	return plan
}

// quickPlan shows the same in less than three minutes.
func quickPlan() []task {
	return []task{
		{source: debianSmall, receivers: 4, entries: []entry{
			{report.Pxecast, 2}, {report.RawLimit, 2}, {report.Udpcast, 1}, {report.UdpcastZstd, 1}}},
		{source: noiseQuick, receivers: 8, rate: wireRate, entries: []entry{
			{report.Pxecast, 1}, {report.RawLimit, 1}, {report.Udpcast, 1}, {report.Uftp, 1}}},
		{source: noiseQuick, receivers: 8, rate: wireRate, loss: 1, entries: []entry{{report.Pxecast, 1}}},
		{source: noiseQuick, receivers: 8, rate: wireRate, loss: 10, entries: []entry{{report.Pxecast, 1}}},
	}
}

// choose narrows a plan: to scenarios whose name matches, to one contender (""
// is all), to so many repetitions of each (0 leaves them).
func choose(plan []task, scenario *regexp.Regexp, only string, repetitions int) ([]task, error) {
	var chosen []task
	for _, t := range plan {
		if !scenario.MatchString(t.name()) {
			continue
		}
		var entries []entry
		for _, e := range t.entries {
			if only != "" && e.contender != only {
				continue
			}
			if repetitions > 0 {
				e.repetitions = repetitions
			}
			entries = append(entries, e)
		}
		if t.entries = entries; len(entries) > 0 {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no scenario matches %q with contender %q (-list shows all)", scenario, only)
	}
	return chosen, nil
}

// seconds is about what a task takes on two cores: to prepare it, to run it, to
// check the disks.
func (t task) seconds() float64 {
	sum := 3.0
	for _, e := range t.entries {
		sum += float64(e.repetitions) * t.each(e.contender)
	}
	return sum
}

// checkRate is how many MB/s of disks are emptied, digested and freed.
const checkRate = 2000

// each is what one run of a contender takes, its checks included.
func (t task) each(contender string) float64 {
	seconds := 0.5 + t.transfer(contender)
	if contender != report.RawLimit {
		seconds += float64(t.receivers) * t.source.rawMB() / checkRate
	}
	return seconds
}

// transfer is what a run itself takes, by rates measured once on two cores. It
// is for plans and timeouts, no figure rests on it.
func (t task) transfer(contender string) float64 {
	n := float64(t.receivers)
	lossy := 1 + 2*math.Min(t.loss, 1) + t.loss/20
	var size, rate, wire float64 // MB that are sent, MB/s, times the wire's minimum
	switch contender {
	case report.Udpcast:
		size, rate, wire = t.source.rawMB(), 100/(1+0.37*n), 1.4+n/24
	case report.UdpcastZstd:
		size, rate, wire = t.source.packedMB(), 100/(1+0.37*n), 1.4+n/24
	case report.Uftp:
		size, rate, wire = t.source.rawMB(), 65/(1+0.24*n), 1.7
	case report.RawLimit:
		size, rate, wire = t.source.packedMB(), 4500/(1+0.5*n), 1.05
	default:
		size, rate, wire = t.source.packedMB(), 700/(1+0.9*n), 1.1
	}
	if contender == report.FirstSend {
		return 12 + size/rate
	}
	if t.rate > 0 {
		return 0.5 + max(t.source.onWire(size)*8/t.rate*wire*(1+t.loss/50), size/rate)
	}
	return 0.5 + size/rate*lossy
}
