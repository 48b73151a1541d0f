package report

import (
	"cmp"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// line is one row of figures against the number of receivers.
type line struct {
	name   string
	look   look
	points []point
}

type point struct {
	x    float64
	y    spread
	text string // of its label at the line's end
}

// look is how a contender's line is drawn, the same in all charts.
type look struct {
	color  color.Color
	width  vg.Length
	dashes []vg.Length
	glyph  draw.GlyphDrawer // nil: none
}

func lookOf(contender string) look {
	switch contender {
	case Pxecast:
		return look{blue, 2.5, nil, draw.CircleGlyph{}}
	case FirstSend:
		return look{sky, 1.5, nil, draw.CircleGlyph{}}
	case SmallMemory:
		return look{green, 1.5, nil, draw.CircleGlyph{}}
	case Udpcast:
		return look{vermillion, 1.5, nil, draw.BoxGlyph{}}
	case UdpcastZstd:
		return look{orange, 1.5, nil, draw.PyramidGlyph{}}
	case Uftp:
		return look{purple, 1.5, nil, draw.SquareGlyph{}}
	case RawLimit:
		return look{grey, 1.2, []vg.Length{5, 3}, nil}
	case machineLimit:
		return look{ink, 1.2, []vg.Length{1.5, 2.5}, nil}
	}
	return look{green, 1.2, []vg.Length{3, 1}, draw.RingGlyph{}}
}

// machineLimit is the name of the limit's line.
const machineLimit = "machine's limit"

// panel is a diagram of lines.
type panel struct {
	heading  string
	xs       []int // numbers of receivers, ticks of the x axis
	min, max float64
	log      bool
	ticks    []plot.Tick
	lines    []line
	margin   vg.Length // right of the diagram, for the labels
	notes    []string  // what is not to be seen, and why
	noteRows int       // room for notes below the heading
}

func (p panel) draw(to draw.Canvas) {
	if p.heading != "" {
		put(to, style(10, ink, true), to.Min.X+24, to.Max.Y, draw.XLeft, draw.YTop, p.heading)
		for i, n := range p.notes {
			put(to, style(8, grey, false), to.Min.X+24, to.Max.Y-13-noteGap*vg.Length(i), draw.XLeft, draw.YTop, n)
		}
		to = draw.Crop(to, 0, 0, 0, -20-noteGap*vg.Length(p.noteRows))
	}
	pl := plot.New()
	pl.BackgroundColor = nil
	p.axes(pl)
	pl.Add(grid{p.ticks, !p.log})
	for _, l := range p.lines {
		pl.Add(l)
	}
	inner := draw.Crop(to, 0, -p.margin, 0, 0)
	pl.Draw(inner)
	data := pl.DataCanvas(inner)
	p.labels(to, pl, data)
	if p.heading == "" { // below the lines, which fall
		for i, n := range p.notes {
			put(to, style(8, grey, false), data.Min.X, data.Min.Y+9+noteGap*vg.Length(i), draw.XLeft, draw.YCenter, n)
		}
	}
}

func (p panel) axes(pl *plot.Plot) {
	pl.X.Min, pl.X.Max, pl.X.Scale = float64(p.xs[0]), float64(p.xs[len(p.xs)-1]), plot.LogScale{}
	if pl.X.Min == pl.X.Max {
		pl.X.Min /= 2 // the only points are at the right end, as labels want it
	}
	pl.Y.Min, pl.Y.Max = p.min, p.max
	if p.log {
		pl.Y.Scale = plot.LogScale{}
	}
	var xs []plot.Tick
	for _, x := range p.xs {
		xs = append(xs, plot.Tick{Value: float64(x), Label: count(x)})
	}
	pl.X.Tick.Marker, pl.Y.Tick.Marker = plot.ConstantTicks(xs), plot.ConstantTicks(p.ticks)
	pl.X.Label.Text = "receivers"
	for _, a := range []*plot.Axis{&pl.X, &pl.Y} {
		tick, label := style(9, ink, false), style(9, grey, false)
		tick.XAlign, tick.YAlign = a.Tick.Label.XAlign, a.Tick.Label.YAlign
		label.XAlign, label.YAlign = a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign
		a.Tick.Label, a.Label.TextStyle = tick, label
		a.Tick.Length, a.Label.Padding, a.LineStyle.Color, a.Tick.LineStyle.Color = 3, 2, grey, grey
	}
	pl.X.Padding, pl.Y.Padding = 8, 16
	pl.Y.LineStyle.Width, pl.Y.Tick.Length = 0, 0
}

// grid is a pale line at each tick of the y axis.
type grid struct {
	ticks   []plot.Tick
	minimum bool // 1 is as good as can be
}

func (g grid) Plot(c draw.Canvas, pl *plot.Plot) {
	_, y := pl.Transforms(&c)
	for _, t := range g.ticks {
		if t.Label != "" {
			s := draw.LineStyle{Color: pale, Width: 0.7}
			if t.Value == 1 && g.minimum {
				s.Color, s.Dashes = ink, []vg.Length{1.5, 2.5}
			}
			c.StrokeLine2(s, c.Min.X-12, y(t.Value), c.Max.X+6, y(t.Value))
		}
	}
}

// Plot draws the line through the medians, and at each a whisker from the least
// to the most.
func (l line) Plot(c draw.Canvas, pl *plot.Plot) {
	x, y := pl.Transforms(&c)
	var path []vg.Point
	for _, p := range l.points {
		at := vg.Point{X: x(p.x), Y: y(p.y.median)}
		path = append(path, at)
		whisker := draw.LineStyle{Color: l.look.color, Width: 1}
		low, high := y(max(p.y.min, pl.Y.Min)), y(min(p.y.max, pl.Y.Max))
		if high-low > 2 {
			c.StrokeLine2(whisker, at.X, low, at.X, high)
			c.StrokeLine2(whisker, at.X-2.5, low, at.X+2.5, low)
			c.StrokeLine2(whisker, at.X-2.5, high, at.X+2.5, high)
		}
	}
	c.StrokeLines(draw.LineStyle{Color: l.look.color, Width: l.look.width, Dashes: l.look.dashes}, path)
	if l.look.glyph == nil && len(path) > 1 {
		return
	} else if l.look.glyph == nil {
		l.look.glyph = draw.PlusGlyph{} // a line that is one point can't be seen
	}
	for i, at := range path {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: l.look.color, Radius: 1.2 + l.look.width, Shape: l.look.glyph}, at)
		if l.name == Pxecast && i < len(path)-1 {
			s := style(8.5, l.look.color, false)
			if _, log := pl.Y.Scale.(plot.LogScale); log { // below line and whisker, as lines fall
				put(c, s, at.X, min(at.Y-7, y(max(l.points[i].y.min, pl.Y.Min))-3), draw.XCenter, draw.YTop, l.points[i].text)
			} else {
				put(c, s, at.X+4, at.Y+5, draw.XLeft, draw.YBottom, l.points[i].text)
			}
		}
	}
}

// label is the text at the end of a line.
type label struct {
	line *line
	from vg.Point // the line's end
	y    vg.Length
}

const (
	labelGap = vg.Length(12)
	noteGap  = vg.Length(10)
)

// labels writes each line's name and last figure to the right of its end, moved
func (p panel) labels(to draw.Canvas, pl *plot.Plot, c draw.Canvas) {
	x, y := pl.Transforms(&c)
	var all []label
	for i := range p.lines {
		l := &p.lines[i]
		last := l.points[len(l.points)-1]
		at := vg.Point{X: x(last.x), Y: y(min(last.y.median, pl.Y.Max))}
		if at.X < c.Max.X-1 { // it ends early: a leader to the margin would look like a line
			put(to, style(9, l.look.color, false), at.X+6, at.Y-6, draw.XLeft, draw.YTop, l.name)
			continue
		}
		all = append(all, label{l, at, at.Y})
	}
	spaced(all, c.Min.Y, to.Max.Y-4)
	left := c.Max.X + 14
	for _, b := range all {
		s := style(9, b.line.look.color, b.line.name == Pxecast)
		if math.Abs(float64(b.y-b.from.Y)) > 2 {
			c.StrokeLine2(draw.LineStyle{Color: b.line.look.color, Width: 0.5}, b.from.X+5, b.from.Y, left-2, b.y)
		}
		last := b.line.points[len(b.line.points)-1]
		put(to, s, left, b.y, draw.XLeft, draw.YCenter, b.line.name+"  "+last.text)
	}
}

// spaced moves labels apart, as little as it takes, within low and high: those
// that touch become one stack around the middle of where they want to be.
func spaced(all []label, low, high vg.Length) {
	slices.SortStableFunc(all, func(a, b label) int { return cmp.Compare(a.y, b.y) })
	type stack struct {
		middle vg.Length
		n      int
	}
	var stacks []stack
	for _, l := range all {
		s := stack{l.y, 1}
		for len(stacks) > 0 {
			below := stacks[len(stacks)-1]
			if s.middle-below.middle >= labelGap*vg.Length(s.n+below.n)/2 {
				break
			}
			n := s.n + below.n
			s = stack{(s.middle*vg.Length(s.n) + below.middle*vg.Length(below.n)) / vg.Length(n), n}
			stacks = stacks[:len(stacks)-1]
		}
		half := labelGap * vg.Length(s.n-1) / 2
		s.middle = max(low+half, min(high-half, s.middle))
		stacks = append(stacks, s)
	}
	i := 0
	for _, s := range stacks {
		for j := range s.n {
			all[i].y = s.middle + labelGap*(vg.Length(j)-vg.Length(s.n-1)/2)
			i++
		}
	}
}
