package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Result is one run of one contender.
type Result struct {
	Scenario   string   `json:"scenario"`
	Contender  string   `json:"contender"`
	Repetition int      `json:"repetition"`
	Commands   []string `json:"commands"`
	Timed      string   `json:"timed"`
	RawBytes   int64    `json:"raw_bytes"`
	Outcome
}

// Report is what a results file holds.
type Report struct {
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	Results []Result  `json:"results"`
}

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

// of gathers a figure of all clients of a contender, over all repetitions, or
// of one repetition if it is not negative.
func (r *Report) of(contender string, repetition int, figure func(Result, Client) float64) []float64 {
	var v []float64
	for _, res := range r.Results {
		if res.Contender != contender || repetition >= 0 && res.Repetition != repetition {
			continue
		}
		for _, c := range res.Clients {
			v = append(v, figure(res, c))
		}
	}
	return v
}

func restored(r Result, c Client) float64 { return c.Restored(r.RawBytes) }

func session(r Result, c Client) float64 {
	if c.Own == nil || c.Own.Seconds == 0 {
		return 0
	}
	return float64(r.RawBytes) / 1e6 / c.Own.Seconds
}

func cpu(r Result, c Client) float64 { return c.CPUSeconds / (float64(r.RawBytes) / 1e9) }

func memory(_ Result, c Client) float64 { return float64(c.PeakMemory) / 1e6 }

func senderCPU(r Result, _ Client) float64 { return r.Sender.CPUSeconds / (float64(r.RawBytes) / 1e9) }

func senderMemory(r Result, _ Client) float64 { return float64(r.Sender.PeakMemory) / 1e6 }

// print writes the table, contenders in the given order, ratios to the one
// called base.
func (r *Report) print(w io.Writer, contenders []Contender, base string, repetitions int) {
	fmt.Fprintf(w, "\nMB/s is disk restored per second at each client, free space included (10⁶ bytes); all clients of %d repetition(s)\n\n", repetitions)
	fmt.Fprintf(w, "%-22s%26s%12s%14s%22s%18s\n", "", "MB/s per client", "", "by its own", "CPU seconds per GB", "peak memory, MB")
	fmt.Fprintf(w, "%-22s%10s%8s%8s%12s%14s%12s%10s%10s%8s\n", "", "median", "min", "max", "× "+base, "clock, MB/s", "client", "sender", "client", "sender")
	for _, c := range contenders {
		name := c.Name()
		s := spreadOf(r.of(name, -1, restored))
		if s.median == 0 {
			continue
		}
		own, ratio := "–", "–"
		if b := spreadOf(r.of(base, -1, restored)).median; b > 0 {
			ratio = fmt.Sprintf("%.2f", s.median/b)
		}
		if o := spreadOf(r.of(name, -1, session)); o.median > 0 {
			own = fmt.Sprintf("%.1f", o.median)
		}
		fmt.Fprintf(w, "%-22s%10.1f%8.1f%8.1f%12s%14s%12.2f%10.2f%10.0f%8.0f\n", name, s.median, s.min, s.max, ratio, own,
			spreadOf(r.of(name, -1, cpu)).median, spreadOf(r.of(name, -1, senderCPU)).median,
			spreadOf(r.of(name, -1, memory)).max, spreadOf(r.of(name, -1, senderMemory)).max)
	}
	fmt.Fprintln(w)
	for _, c := range contenders {
		fmt.Fprintf(w, "%-22s%s\n", c.Name(), c.Timed())
	}
	for _, c := range contenders {
		if c.Name() == base || repetitions < 2 {
			continue
		}
		var ratios []float64
		for rep := range repetitions {
			if b := spreadOf(r.of(base, rep, restored)).median; b > 0 {
				ratios = append(ratios, spreadOf(r.of(c.Name(), rep, restored)).median/b)
			}
		}
		if len(ratios) == 0 {
			continue
		}
		s := spreadOf(ratios)
		fmt.Fprintf(w, "\n%s is %.2f × %s (repetitions: %.2f to %.2f)", c.Name(), s.median, base, s.min, s.max)
	}
	fmt.Fprintln(w)
}

// save writes the report as JSON into dir and returns the file.
func (r *Report) save(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, r.Time.UTC().Format("2006-01-02T150405Z")+".json")
	return file, os.WriteFile(file, append(b, '\n'), 0o644)
}
