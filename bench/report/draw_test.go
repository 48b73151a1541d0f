package report

import (
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

func drawn(t *testing.T, r *Report) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	if err := r.Draw(dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return dir, names
}

func TestChartsArePictures(t *testing.T) {
	dir, names := drawn(t, madeUp(3))
	want := []string{"cost.png", "cost.svg", "throughput-debian.png", "throughput-debian.svg",
		"throughput-noise.png", "throughput-noise.svg", "wire.png", "wire.svg"}
	if !slices.Equal(names, want) {
		t.Fatalf("drew %q, want %q", names, want)
	}
	for _, name := range names {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if strings.HasSuffix(name, ".svg") {
			checkSVG(t, name, f)
			continue
		}
		p, err := png.Decode(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b := p.Bounds(); b.Dx() != 1800 || b.Dy() != 1000 {
			t.Errorf("%s is %v", name, b)
		}
		if r, g, b, a := p.At(0, 0).RGBA(); r&g&b&a != 0xffff {
			t.Errorf("%s: the corner is %v, want opaque white", name, color.RGBA64{uint16(r), uint16(g), uint16(b), uint16(a)})
		}
	}
}

func checkSVG(t *testing.T, name string, r io.Reader) {
	t.Helper()
	d := xml.NewDecoder(r)
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		if c, ok := token.(xml.CharData); ok {
			text.Write(c)
		}
	}
	if !strings.Contains(text.String(), "AMD EPYC, 2 cores") {
		t.Errorf("%s does not say where it was measured", name)
	}
	if strings.HasPrefix(name, "throughput") {
		for _, want := range []string{Pxecast, Udpcast, UdpcastZstd, Uftp, RawLimit, machineLimit} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("%s does not name %s", name, want)
			}
		}
	}
}

func TestChartsTellWhoDidNotFinish(t *testing.T) {
	dir, _ := drawn(t, madeUp(2))
	b, err := os.ReadFile(filepath.Join(dir, "wire.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "uftp did not finish with 1, 8, 24") {
		t.Error("uftp failed with 10 % loss and the chart is silent about it")
	}
}

// A quick run has one number of receivers, one repetition and failures.
func TestChartsOfVeryLittle(t *testing.T) {
	r := madeUp(1)
	r.Results = slices.DeleteFunc(r.Results, func(res Result) bool { return res.Scenario.Receivers != 8 })
	for i := range r.Results {
		if r.Results[i].Contender != Pxecast {
			r.Results[i].Error, r.Results[i].Clients = "failed", nil
		}
	}
	if _, names := drawn(t, r); len(names) != 8 {
		t.Errorf("drew %q", names)
	}
	for i := range r.Results {
		r.Results[i].Error, r.Results[i].Clients = "failed", nil
	}
	r.Limits = nil
	if _, names := drawn(t, r); len(names) != 0 {
		t.Errorf("everything failed, yet drew %q", names)
	}
}

func TestLabelsKeepApart(t *testing.T) {
	for _, ys := range [][]vg.Length{{50, 50, 50, 51}, {0, 1, 2, 200}, {10, 22, 23, 34, 90, 95}, {199, 200, 200}, {5}} {
		var all []label
		for _, y := range ys {
			all = append(all, label{y: y})
		}
		spaced(all, 0, 200)
		for i, l := range all {
			if l.y < -1e-9 || l.y > 200+1e-9 {
				t.Errorf("%v: a label at %v is outside", ys, l.y)
			}
			if i > 0 && l.y-all[i-1].y < labelGap-1e-9 {
				t.Errorf("%v: labels at %v and %v touch", ys, all[i-1].y, l.y)
			}
		}
	}
}
