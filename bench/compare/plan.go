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

// fullPlan is what make bench runs, half an hour of it. Rivals run less
// often where a run takes a minute and more. Scenarios of one image follow each
// other.
func fullPlan() []task {
	return slices.Concat(debianTasks(), noiseTasks(), wireTasks())
}

// debianTasks have the smaller disk from eight on: sixteen of the other don't fit
// into most machines' memory, and rivals take minutes for eight.
func debianTasks() []task {
	var plan []task
	for _, n := range []struct{ receivers, pxecast, udpcast, zstd int }{{1, 5, 5, 3}, {4, 5, 3, 2}, {8, 5, 3, 1}, {16, 3, 1, 1}} {
		from := debianDisk
		if n.receivers <= 4 {
			from = debianLarge
		}
		t := task{source: from, receivers: n.receivers, entries: []entry{
			{report.Pxecast, n.pxecast}, {report.RawLimit, 2}, {report.Udpcast, n.udpcast}, {report.UdpcastZstd, n.zstd}}}
		if n.receivers == 4 {
			t.entries = append(t.entries, entry{report.Uftp, 1}, entry{report.FirstSend, 1}, entry{report.SmallMemory, 1})
		}
		plan = append(plan, t)
		if n.receivers == 4 {
			for _, loss := range []float64{1, 10} {
				plan = append(plan, task{source: from, receivers: 4, loss: loss, entries: []entry{{report.Pxecast, 1}}})
			}
		}
	}
	return plan
}

// noiseTasks have the smaller disk from eight on, as debianTasks do.
func noiseTasks() []task {
	var plan []task
	for _, n := range []int{1, 4, 8, 16} {
		from := noiseDisk
		if n <= 4 {
			from = noiseLarge
		}
		plan = append(plan, task{source: from, receivers: n, entries: []entry{{report.Pxecast, 3}, {report.RawLimit, 1}}})
	}
	return plan
}

func wireTasks() []task {
	var plan []task
	for _, n := range []int{1, 8, 24} {
		for _, loss := range []float64{0, 1, 10} {
			t := task{source: noiseDisk, receivers: n, rate: wireRate, loss: loss, entries: []entry{{report.Pxecast, 1}}}
			if loss == 0 {
				t.entries[0].repetitions = 2
			}
			if n > 1 && loss == 0 || n == 8 && loss == 10 {
				t.entries = append(t.entries, entry{report.Udpcast, 1})
			}
			if n == 8 && loss == 0 {
				t.entries = append(t.entries, entry{report.Uftp, 1})
			}
			plan = append(plan, t)
		}
	}
	return plan
}

// quickPlan shows the same in less than three minutes.
func quickPlan() []task {
	return []task{
		{source: debianDisk, receivers: 4, entries: []entry{
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
	sum := 2.0
	for _, e := range t.entries {
		sum += float64(e.repetitions) * t.each(e.contender)
	}
	return sum
}

// warmRate and checkRate are how many MB/s of disks are filled before a run and
// compared after it.
const (
	warmRate  = 3000
	checkRate = 3000
)

// each is what one run of a contender takes, its receivers' listening and its
// checks included.
func (t task) each(contender string) float64 {
	seconds := settle.Seconds() + 0.2 + t.transfer(contender)
	if contender != report.RawLimit {
		seconds += float64(t.receivers) * t.source.rawMB() * (1.0/warmRate + 1.0/checkRate)
	}
	return seconds
}

// transfer is what a run itself takes, by rates measured once on two cores. It
// is for plans and timeouts, no figure rests on it.
func (t task) transfer(contender string) float64 {
	n := float64(t.receivers)
	raw, packed := t.source.rawMB(), t.source.packedMB()
	lossy := 1 + 0.8*math.Min(t.loss, 1) + t.loss/20
	var size, seconds, wire float64 // MB that are sent, seconds if the CPU binds, times the wire's minimum
	switch contender {
	case report.Udpcast:
		size, seconds, wire = raw, raw*(1+1.83*n)/455, 1.4+n/60
	case report.UdpcastZstd:
		size, seconds, wire = packed, raw*(1+0.67*n)/735, 1.4+n/60
	case report.Uftp:
		size, seconds, wire = raw, raw*(1+0.24*n)/80, 1.55
	case report.RawLimit:
		size, seconds, wire = packed, packed*(1+0.5*n)/4500, 1.05
	default:
		size, seconds, wire = packed, packed*(1+2.5*n)/1000, 1.06
		if t.source.image() == report.Noise { // less than half of the work for a byte sent
			seconds = packed * (1 + 0.9*n) / 700
		}
	}
	if contender == report.FirstSend {
		return 7 + seconds
	}
	if t.rate > 0 {
		return 0.5 + max(t.source.onWire(size)*8/t.rate*wire/1.06*(1+t.loss/70), seconds)
	}
	return 0.2 + seconds*lossy
}
