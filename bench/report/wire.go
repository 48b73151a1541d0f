package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// mostPanels is how many losses stand side by side.
const mostPanels = 3

// wire is time ÷ the wire's minimum against the number of receivers, a panel
// for each loss.
func (r *Report) wire() (chart, bool) {
	all := r.scenarios(func(s Scenario) bool { return s.RateMbit > 0 && s.Image == Noise })
	if len(all) == 0 {
		all = r.scenarios(func(s Scenario) bool { return s.RateMbit > 0 })
	}
	var losses []float64
	var xs []int
	for _, s := range all {
		if !slices.Contains(losses, s.LossPercent) && len(losses) < mostPanels {
			losses = append(losses, s.LossPercent)
		}
		if !slices.Contains(xs, s.Receivers) {
			xs = append(xs, s.Receivers)
		}
	}
	slices.Sort(xs)
	var panels []panel
	most, lines := 1.2, 0
	for _, loss := range losses {
		p := panel{heading: "no loss", xs: xs, margin: 92}
		if loss > 0 {
			p.heading = fmt.Sprintf("%g %% loss at each receiver", loss)
		}
		here := slices.DeleteFunc(slices.Clone(all), func(s Scenario) bool { return s.LossPercent != loss })
		for _, c := range contenders(r.Results) {
			if c == RawLimit || c == FirstSend || c == SmallMemory {
				continue
			}
			p.add(c, here, func(s Scenario) (spread, bool) {
				f := r.figures(s, c)
				most = max(most, f.time.max)
				return f.time, f.finished()
			}, func(v float64) string { return fmt.Sprintf("%.2f", v) })
			p.failures(c, here, r)
		}
		lines += len(p.lines)
		panels = append(panels, p)
	}
	if lines == 0 {
		return chart{}, false
	}
	return chart{
		name:  "wire",
		title: fmt.Sprintf("Time ÷ what the wire takes for the packed image alone, at %g Mbit/s", all[0].RateMbit),
		subtitle: fmt.Sprintf("%s; from the sender's start to the last disk's end; median, least and most of the repetitions",
			describe(all[0])),
		draw: func(to draw.Canvas) { side(to, panels, most) },
	}, true
}

// side draws panels side by side with one y axis from 1 to most.
func side(to draw.Canvas, panels []panel, most float64) {
	step := 0.1
	for _, s := range []float64{0.2, 0.5, 1, 2, 5, 10, 20} {
		if (most-1)/step > 8 {
			step = s
		}
	}
	var ticks []plot.Tick
	for i := 0; ; i++ {
		v := 1 + float64(i)*step
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%g×", float64(int(v*10+0.5))/10)})
		if v >= most {
			break
		}
	}
	rows := 0
	for _, p := range panels {
		rows = max(rows, len(p.notes))
	}
	wide := (to.Max.X - to.Min.X) / vg.Length(len(panels))
	for i, p := range panels {
		p.min, p.max, p.ticks, p.noteRows = 1, ticks[len(ticks)-1].Value, ticks, rows
		left := wide * vg.Length(i)
		p.draw(draw.Crop(to, left, left+wide-(to.Max.X-to.Min.X), 0, 0))
	}
}
