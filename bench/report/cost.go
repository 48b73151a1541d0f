package report

import (
	"fmt"
	"image/color"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// bar is a row of pieces, in core-seconds per GB of disk.
type bar struct {
	name   string
	pieces []piece
}

type piece struct {
	name  string
	color color.Color
	size  float64
}

func (b bar) total() (sum float64) {
	for _, p := range b.pieces {
		sum += p.size
	}
	return sum
}

// cluster is an image's bars.
type cluster struct {
	heading string
	bars    []bar
}

// cost sets the limit's stages beside what pxecast took, at a client and at the
// sender, for each image at the number of receivers that is nearest to 4.
func (r *Report) cost() (chart, bool) {
	var clusters []cluster
	var receivers int
	for _, image := range r.images() {
		all := slices.DeleteFunc(r.scenarios(cpuBound(image, 0)), func(s Scenario) bool {
			_, ok := r.limit(s)
			return !ok || !r.figures(s, Pxecast).finished()
		})
		if len(all) == 0 {
			continue
		}
		s := slices.MinFunc(all, func(a, b Scenario) int { return off(a) - off(b) })
		receivers = s.Receivers
		clusters = append(clusters, r.cluster(s))
	}
	if len(clusters) == 0 {
		return chart{}, false
	}
	return chart{
		name:     "cost",
		title:    "Core-seconds per GB of disk: work that can't be avoided, and what pxecast takes",
		subtitle: fmt.Sprintf("CPU-bound, no loss, %d receivers; the stages are measured alone; the bridge's copies for each receiver are billed to the sender", receivers),
		draw:     func(to draw.Canvas) { drawBars(to, clusters) },
	}, true
}

func off(s Scenario) int { return max(s.Receivers-4, 4-s.Receivers) }

func (r *Report) cluster(s Scenario) cluster {
	l, _ := r.limit(s)
	f := r.figures(s, Pxecast)
	colors := map[string]color.Color{StageSend: purple, StageReceive: sky, StageDecode: green, StageDigest: orange, StageWrite: vermillion}
	client, sender := bar{name: "client: stages"}, bar{name: "sender: stages"}
	for _, st := range l.Stages {
		p := piece{st.Name, colors[st.Name], st.SecondsPerGB}
		if p.color == nil {
			p.color = grey
		}
		if st.Name == StageSend {
			sender.pieces = append(sender.pieces, p)
		} else {
			client.pieces = append(client.pieces, p)
		}
	}
	return cluster{describe(s), []bar{
		client,
		measured("client: pxecast", f.clientUser.median, f.client.median-f.clientUser.median),
		sender,
		measured("sender: pxecast", f.user.median, f.system.median),
	}}
}

func measured(name string, user, system float64) bar {
	return bar{name, []piece{{"pxecast, user", blue, user}, {"pxecast, system", grey, max(0, system)}}}
}

func drawBars(to draw.Canvas, clusters []cluster) {
	to = draw.Crop(to, 92, -40, 4, 0)
	most := 0.0
	var names []piece
	for _, c := range clusters {
		for _, b := range c.bars {
			most = max(most, b.total())
			for _, p := range b.pieces {
				if !slices.ContainsFunc(names, func(n piece) bool { return n.name == p.name }) {
					names = append(names, p)
				}
			}
		}
	}
	drawKey(to, names)
	to = draw.Crop(to, 0, 0, 0, -22)
	rows := vg.Length(0)
	for _, c := range clusters {
		rows += vg.Length(len(c.bars)) + 1.4
	}
	row := min((to.Max.Y-to.Min.Y)/rows, 30)
	y := to.Max.Y
	for _, c := range clusters {
		put(to, style(9.5, ink, true), to.Min.X-92, y-row*0.4, draw.XLeft, draw.YCenter, c.heading)
		y -= row
		for _, b := range c.bars {
			drawBar(to, b, y-row*0.1, row*0.8, (to.Max.X-to.Min.X)/vg.Length(most))
			y -= row
		}
		y -= row * 0.4
	}
}

// drawKey names the colours, in a row.
func drawKey(to draw.Canvas, names []piece) {
	x := to.Min.X - 92
	for _, p := range names {
		s := style(9, ink, false)
		fill(to, p.color, x, to.Max.Y-10, 9, 9)
		put(to, s, x+13, to.Max.Y-5.5, draw.XLeft, draw.YCenter, p.name)
		x += 13 + s.Width(p.name) + 16
	}
}

// drawBar draws one bar below top, with its total at the end and, where they
// fit, the figures of its pieces inside.
func drawBar(to draw.Canvas, b bar, top, height, scale vg.Length) {
	middle := top - height/2
	put(to, style(9, ink, false), to.Min.X-8, middle, draw.XRight, draw.YCenter, b.name)
	x := to.Min.X
	for _, p := range b.pieces {
		wide := vg.Length(p.size) * scale
		fill(to, p.color, x, top-height, max(wide-0.7, 0.4), height)
		txt := fmt.Sprintf("%.2f", p.size)
		s := style(8.5, color.White, true)
		if p.color == sky || p.color == orange || p.color == purple {
			s.Color = ink // white is hard to read on these
		}
		if len(b.pieces) > 1 && wide > s.Width(txt)+6 {
			put(to, s, x+wide/2, middle, draw.XCenter, draw.YCenter, txt)
		}
		x += wide
	}
	put(to, style(9, ink, true), x+5, middle, draw.XLeft, draw.YCenter, fmt.Sprintf("%.3f", b.total()))
}

func fill(to draw.Canvas, c color.Color, x, y, wide, high vg.Length) {
	to.SetColor(c)
	to.Fill(vg.Rectangle{Min: vg.Point{X: x, Y: y}, Max: vg.Point{X: x + wide, Y: y + high}}.Path())
}
