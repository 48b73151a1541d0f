package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pxecast/pxecast/bench/limit"
	"github.com/pxecast/pxecast/bench/report"
	"github.com/pxecast/pxecast/internal/image"
)

// race runs a plan and gathers what comes of it.
type race struct {
	plan       []task
	contenders []Contender
	program    string // pxecast
	work       string
	out        io.Writer
	report     *report.Report

	source  source // of image
	image   *ready
	limited map[source]bool // those that the machine's limit was measured for, once
	done    []task
	spent   time.Duration // on them
}

// The machine's limit takes so long, in seconds: for each GB of the image, and
// for each number of receivers. It is measured limitTimes. Preparing an image
// takes so long for a GB of what must be packed.
const (
	limitPerGB   = 6
	limitEach    = 3
	limitTimes   = 2
	preparePerGB = 14
)

// run runs the whole plan. What was measured until an error is in the report.
func (r *race) run(ctx context.Context) error {
	r.limited = map[source]bool{}
	for i, t := range r.plan {
		start, leftOut := time.Now(), len(r.report.LeftOut)
		if err := r.task(ctx, i); err != nil {
			return err
		}
		// The second time is after the last scenario that is held against it.
		last := t.rate == 0 && !slices.ContainsFunc(r.plan[i+1:], func(n task) bool { return n.source == t.source && n.rate == 0 })
		if last && r.limited[t.source] && r.image != nil && r.source == t.source {
			if err := r.limit(ctx, t.source); err != nil {
				return err
			}
		}
		if len(r.report.LeftOut) == leftOut {
			r.done = append(r.done, t)
			r.spent += time.Since(start)
		}
	}
	return r.drop()
}

// limit measures the machine's limit in the same run as what is held against it:
// before the CPU-bound scenarios of an image and after them. The higher counts,
// so that a moment in which the machine was slower flatters nobody.
func (r *race) limit(ctx context.Context, s source) error {
	receivers := limited(r.plan, s)
	r.limited[s] = true
	if len(receivers) == 0 {
		return nil
	}
	fmt.Fprintf(r.out, "\nthe machine's limit: %s, %v receivers\n", s.image(), receivers)
	packed, err := image.Open(r.image.packed)
	if err != nil {
		return err
	}
	defer packed.Close()
	limits, err := limit.MeasureEach(ctx, s.image(), packed, receivers, r.work)
	for _, l := range limits {
		r.report.KeepLimit(l)
		fmt.Fprintf(r.out, "  %2d receivers  %8.1f MB/s per client\n", l.Receivers, l.MBPerS)
	}
	return err
}

// limited lists the numbers of receivers that an image's limit is measured for.
func limited(plan []task, s source) []int {
	var receivers []int
	for _, t := range plan {
		if t.source == s && t.rate == 0 && t.loss == 0 {
			receivers = append(receivers, t.receivers)
		}
	}
	return receivers
}

// task runs task i of the plan, or leaves it out and says why.
func (r *race) task(ctx context.Context, i int) (err error) {
	t := r.plan[i]
	fmt.Fprintf(r.out, "\n[%d/%d] %s, %s; %s left\n", i+1, len(r.plan), t.name(), t.describe(), r.left(i))
	if r.image != nil && r.source != t.source {
		if err := r.drop(); err != nil {
			return err
		}
	}
	free, err := freeMemory()
	if err != nil {
		return err
	}
	if r.image != nil { // it is there already
		free += r.image.disk.RawSize + 3*r.image.packedBytes
	}
	if lack := t.lack(free); lack != "" {
		fmt.Fprintf(r.out, "  left out: %s\n", lack)
		r.report.LeftOut = append(r.report.LeftOut, t.name()+": "+lack)
		return nil
	}
	if err := r.prepare(ctx, t); err != nil {
		return err
	}
	if t.rate == 0 && !r.limited[t.source] {
		if err := r.limit(ctx, t.source); err != nil {
			return err
		}
	}
	f, err := newField(ctx, t, *r.image, r.work)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	return r.repeat(ctx, t, f)
}

// repeat runs the contenders in turns. One that failed does not run again.
// Before a CPU-bound race the first of them runs once that does not count: the
// first minute on memory that the machine has just handed out is slower.
func (r *race) repeat(ctx context.Context, t task, f *field) error {
	failed := map[string]bool{}
	if t.rate == 0 && t.repetitions() > 1 {
		name := t.turn(0)[0]
		fmt.Fprintf(r.out, "  %-19s to warm up   ", name)
		res, err := f.once(ctx, r.contender(name), 0, t.patience(name))
		if err != nil {
			fmt.Fprintln(r.out, "–")
			return fmt.Errorf("%s, %s: %w", t.name(), name, err)
		}
		fmt.Fprintln(r.out, outcomeLine(res))
	}
	for repetition := range t.repetitions() {
		for _, name := range t.turn(repetition) {
			if failed[name] {
				continue
			}
			drops := f.lab.BacklogDrops()
			fmt.Fprintf(r.out, "  %-19s repetition %d  ", name, repetition+1)
			res, err := f.once(ctx, r.contender(name), repetition, t.patience(name))
			if err != nil {
				fmt.Fprintln(r.out, "–")
				return fmt.Errorf("%s, %s: %w", t.name(), name, err)
			}
			failed[name] = res.Error != ""
			fmt.Fprintln(r.out, outcomeLine(res))
			if n := f.lab.BacklogDrops() - drops; n > 0 {
				fmt.Fprintf(r.out, "    the kernel dropped %d packets because a CPU's queue was full\n", n)
			}
			r.report.Results = append(r.report.Results, res)
		}
	}
	return nil
}

func (r *race) contender(name string) Contender {
	return r.contenders[slices.IndexFunc(r.contenders, func(c Contender) bool { return c.Name() == name })]
}

// patience is how long a run may take before it counts as hanging.
func (t task) patience(contender string) time.Duration {
	return 30*time.Second + time.Duration(5*t.transfer(contender)*float64(time.Second))
}

func (r *race) prepare(ctx context.Context, t task) error {
	if r.image != nil {
		return nil
	}
	zstd := slices.ContainsFunc(r.plan, func(o task) bool { return o.source == t.source && o.wants(report.UdpcastZstd) })
	image, err := prepare(ctx, t.source, r.work, r.program, zstd, r.out)
	if err != nil {
		return err
	}
	r.source, r.image = t.source, &image
	fmt.Fprintf(r.out, "  image of %d MiB, packed %d MiB\n", image.disk.RawSize>>20, image.packedBytes>>20)
	return nil
}

func (r *race) drop() error {
	if r.image == nil {
		return nil
	}
	err := r.image.remove()
	r.image = nil
	return err
}

// left is about how long the tasks from i on take, as fast as it went so far.
func (r *race) left(i int) string {
	pace := 1.0
	if expected := planned(r.done); expected > 60 {
		pace = r.spent.Seconds() / expected
	}
	return minutes(planned(r.plan[i:]) * pace)
}

// planned is about what tasks take in seconds, with preparing their images and
// measuring the machine's limit.
func planned(plan []task) float64 {
	var sum float64
	images := map[source]bool{}
	for _, t := range plan {
		sum += t.seconds()
		if images[t.source] {
			continue
		}
		images[t.source] = true
		sum += preparePerGB * t.source.rawMB() / 1000
		if n := len(limited(plan, t.source)); n > 0 {
			sum += limitTimes * (limitPerGB*t.source.rawMB()/1000 + limitEach*float64(n))
		}
	}
	return sum
}

func minutes(seconds float64) string {
	if seconds < 90 {
		return fmt.Sprintf("about %.0f s", seconds)
	}
	return fmt.Sprintf("about %.1f min", seconds/60)
}

// describe says in words what name says in short.
func (t task) describe() string {
	bound := "CPU-bound"
	if t.rate > 0 {
		bound = fmt.Sprintf("%g Mbit/s", t.rate)
	}
	return fmt.Sprintf("%d receiver(s), %s, %g %% loss", t.receivers, bound, t.loss)
}

// outcomeLine sums up a run in a line.
func outcomeLine(res report.Result) string {
	if res.Error != "" {
		text := strings.Join(strings.Fields(res.Error), " ")
		return "failed: " + text[:min(len(text), 300)]
	}
	first, last := res.Clients[0].Seconds, res.Clients[0].Seconds
	for _, c := range res.Clients {
		first, last = min(first, c.Seconds), max(last, c.Seconds)
	}
	raw := float64(res.Scenario.RawBytes) / 1e6
	line := fmt.Sprintf("%7.1f s  %7.1f to %.1f MB/s per client", last, raw/last, raw/first)
	if rate := res.Scenario.RateMbit; rate > 0 {
		line += fmt.Sprintf("  %.3f × the wire's minimum", last/(float64(res.Scenario.PackedBytes)*8/rate/1e6))
	}
	return line
}
