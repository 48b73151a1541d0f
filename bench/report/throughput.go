package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
)

func count(n int) string { return strconv.Itoa(n) }

// throughput is MB/s per client against the number of receivers, for an image,
// where only the CPU binds.
func (r *Report) throughput(image string) (chart, bool) {
	all := r.scenarios(cpuBound(image, 0))
	// More receivers may have had a smaller disk: one line all the same, because
	// it is a rate.
	slices.SortStableFunc(all, func(a, b Scenario) int { return a.Receivers - b.Receivers })
	p := panel{log: true, margin: 128}
	for _, s := range all {
		if !slices.Contains(p.xs, s.Receivers) {
			p.xs = append(p.xs, s.Receivers)
		}
	}
	for _, c := range contenders(r.Results) {
		if c == FirstSend || c == SmallMemory {
			continue
		}
		p.add(c, all, func(s Scenario) (spread, bool) {
			f := r.figures(s, c)
			return f.speed, f.finished()
		}, whole)
		p.failures(c, all, r)
	}
	p.add(machineLimit, all, func(s Scenario) (spread, bool) {
		l, ok := r.limit(s)
		return spread{l.MBPerS, l.MBPerS, l.MBPerS}, ok
	}, whole)
	if len(p.lines) == 0 {
		return chart{}, false
	}
	p.scale()
	return chart{
		name:     "throughput-" + image,
		title:    "MB/s of disk restored at each client, nothing but the CPU in the way",
		subtitle: fmt.Sprintf("%s; no loss; all share %d cores; median, least and most of all clients and repetitions; log scale", describe(all...), r.Machine.Cores),
		draw:     p.draw,
	}, true
}

// whole is a figure of a label: digits that matter.
func whole(v float64) string {
	if v < 10 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// describe tells what was sent in scenarios of one image.
func describe(all ...Scenario) string {
	s := all[0]
	what := "image " + s.Image
	switch s.Image {
	case Debian:
		what = "a Debian disk"
	case Noise:
		what = "incompressible noise"
	}
	if i := slices.IndexFunc(all, func(o Scenario) bool { return o.RawBytes != s.RawBytes }); i > 0 {
		return fmt.Sprintf("%s: %.2f GB, from %d receivers on %.2f GB", what, gb(s.RawBytes), all[i].Receivers, gb(all[i].RawBytes))
	}
	return fmt.Sprintf("%s: %.2f GB, packed %.2f GB", what, gb(s.RawBytes), gb(s.PackedBytes))
}

// add adds a line of what figure gives for the scenarios, if it gives anything.
func (p *panel) add(name string, all []Scenario, figure func(Scenario) (spread, bool), text func(float64) string) {
	l := line{name: name, look: lookOf(name)}
	for _, s := range all {
		if y, ok := figure(s); ok && y.median > 0 {
			l.points = append(l.points, point{float64(s.Receivers), y, text(y.median)})
		}
	}
	if len(l.points) > 0 {
		p.lines = append(p.lines, l)
	}
}

// failures notes where a contender never finished.
func (p *panel) failures(contender string, all []Scenario, r *Report) {
	var where []string
	for _, s := range all {
		if f := r.figures(s, contender); f.runs > 0 && !f.finished() {
			where = append(where, count(s.Receivers))
		}
	}
	if len(where) > 0 {
		p.notes = append(p.notes, fmt.Sprintf("%s did not finish with %s", contender, strings.Join(where, ", ")))
	}
}

// scale fits a logarithmic y axis to the lines, with ticks at 1, 2 and 5.
func (p *panel) scale() {
	p.min, p.max = math.Inf(1), 0
	for _, l := range p.lines {
		for _, pt := range l.points {
			p.min, p.max = min(p.min, pt.y.min), max(p.max, pt.y.max)
		}
	}
	var steps []float64
	for e := math.Floor(math.Log10(p.min)); e <= math.Ceil(math.Log10(p.max)); e++ {
		for _, m := range []float64{1, 2, 5} {
			steps = append(steps, m*math.Pow(10, e))
		}
	}
	first := max(0, slices.IndexFunc(steps, func(v float64) bool { return v > p.min })-1)
	last := slices.IndexFunc(steps, func(v float64) bool { return v >= p.max })
	if last < 0 {
		last = len(steps) - 1
	}
	p.min, p.max = steps[first], steps[last]
	for _, v := range steps[first : last+1] {
		p.ticks = append(p.ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
	}
}
