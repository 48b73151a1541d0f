package report

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A chart is 900 × 500 CSS pixels of 1/96 inch; the PNG has twice as many, for
// screens that show them.
const (
	chartWidth  = vg.Length(675) // points, of 1/72 inch
	chartHeight = vg.Length(375)
	pngDPI      = 192
)

// chart is a picture that draws itself.
type chart struct {
	name            string // of its files
	title, subtitle string
	draw            func(draw.Canvas)
}

// Draw draws what the report has figures for, each chart as SVG and PNG, into
// the folder dir, which it makes:
//
//   - throughput-IMAGE: MB/s per client against the number of receivers
//   - wire: time ÷ the wire's minimum against it, for each loss
//   - cost: core-seconds per GB of the limit's stages beside pxecast's own
func (r *Report) Draw(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("drawing charts: %w", err)
	}
	var err error
	for _, c := range r.charts() {
		err = errors.Join(err, c.save(dir, r.origin()))
	}
	return err
}

func (r *Report) charts() []chart {
	var all []chart
	for _, image := range r.images() {
		if c, ok := r.throughput(image); ok {
			all = append(all, c)
		}
	}
	if c, ok := r.wire(); ok {
		all = append(all, c)
	}
	if c, ok := r.cost(); ok {
		all = append(all, c)
	}
	return all
}

// images lists those of the CPU-bound scenarios.
func (r *Report) images() []string {
	var names []string
	for _, s := range r.scenarios(func(s Scenario) bool { return s.RateMbit == 0 && s.LossPercent == 0 }) {
		if len(names) == 0 || names[len(names)-1] != s.Image {
			names = append(names, s.Image)
		}
	}
	return names
}

// origin is the line below every chart.
func (r *Report) origin() string {
	m := r.Machine
	return fmt.Sprintf("%s, %d cores, Linux %s, %s; sender and receivers in network namespaces of one machine; %s",
		m.CPU, m.Cores, m.Kernel, m.Go, r.Time.UTC().Format("2 January 2006"))
}

// save draws the chart into its two files.
func (c chart) save(dir, origin string) error {
	svg := vgsvg.New(chartWidth, chartHeight)
	png := vgimg.NewWith(vgimg.UseWH(chartWidth, chartHeight), vgimg.UseDPI(pngDPI), vgimg.UseBackgroundColor(color.White))
	for _, canvas := range []vg.CanvasSizer{svg, png} {
		c.page(draw.New(canvas), origin)
	}
	var buffer bytes.Buffer
	if _, err := svg.WriteTo(&buffer); err != nil {
		return fmt.Errorf("drawing %s: %w", c.name, err)
	}
	err := os.WriteFile(filepath.Join(dir, c.name+".svg"), portable(buffer.Bytes()), 0o644)
	return errors.Join(err, write(filepath.Join(dir, c.name+".png"), vgimg.PngCanvas{Canvas: png}))
}

// portable names fonts of the same metrics that other systems have.
func portable(svg []byte) []byte {
	return bytes.ReplaceAll(svg, []byte("font-family:Liberation Sans"),
		[]byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif"))
}

func write(file string, from io.WriterTo) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = from.WriteTo(f)
	return errors.Join(err, f.Close())
}

// page draws title, chart and origin on white, so that it can be read on a
// dark page too.
func (c chart) page(to draw.Canvas, origin string) {
	to.SetColor(color.White)
	to.Fill(to.Rectangle.Path())
	to = draw.Crop(to, 14, -14, 10, -12)
	put(to, style(13, ink, true), to.Min.X, to.Max.Y, draw.XLeft, draw.YTop, c.title)
	put(to, style(9.5, grey, false), to.Min.X, to.Max.Y-18, draw.XLeft, draw.YTop, c.subtitle)
	put(to, style(7.5, grey, false), to.Min.X, to.Min.Y, draw.XLeft, draw.YBottom, origin)
	c.draw(draw.Crop(to, 0, 0, 16, -38))
}

// The colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which
// can be told apart with every kind of colour vision.
var (
	ink        = color.RGBA{0x22, 0x22, 0x22, 0xff}
	grey       = color.RGBA{0x66, 0x66, 0x66, 0xff}
	pale       = color.RGBA{0xe4, 0xe4, 0xe4, 0xff}
	blue       = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	sky        = color.RGBA{0x56, 0xb4, 0xe9, 0xff}
	green      = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	vermillion = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	orange     = color.RGBA{0xe6, 0x9f, 0x00, 0xff}
	purple     = color.RGBA{0xcc, 0x79, 0xa7, 0xff}
)

// style is text of a size in points.
func style(size float64, c color.Color, bold bool) text.Style {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
	if bold {
		f.Weight = 3 // font.WeightBold of x/image
	}
	return text.Style{Color: c, Font: f, Handler: plot.DefaultTextHandler}
}

// put writes a text at a point of the canvas.
func put(to draw.Canvas, s text.Style, x, y vg.Length, ax text.XAlignment, ay text.YAlignment, txt string) {
	s.XAlign, s.YAlign = ax, ay
	to.FillText(s, vg.Point{X: x, Y: y}, txt)
}
