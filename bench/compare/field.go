package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/lab"
)

// memoryDir is a tmpfs on every Linux. Disks in memory leave the CPU as what
// binds, for all contenders alike.
const memoryDir = "/dev/shm"

// field is the lab with everything that contenders share.
type field struct {
	lab      *lab.Lab
	scenario Scenario
}

func newField(ctx context.Context, image disks.Disk, receivers int) (*field, error) {
	work, err := workFolder(image.RawSize * int64(receivers+1))
	if err != nil {
		return nil, err
	}
	f := &field{scenario: Scenario{
		Name: fmt.Sprintf("debian, %d receivers, CPU-bound, no loss", receivers), Image: image, Work: work,
		Raw: filepath.Join(work, "disk.img"),
	}}
	for i := range receivers {
		f.scenario.Targets = append(f.scenario.Targets, filepath.Join(work, fmt.Sprintf("target%d.img", i+1)))
	}
	if err := image.Raw(ctx, f.scenario.Raw); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if f.lab, err = lab.New(ctx, lab.Config{Hosts: 1 + receivers}); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

func (f *field) close() error {
	var err error
	if f.lab != nil {
		err = f.lab.Close()
	}
	return errors.Join(err, os.RemoveAll(f.scenario.Work))
}

// workFolder makes a folder for need bytes, in memory if they fit. It bears our
// pid; those of processes that were killed are removed.
func workFolder(need int64) (string, error) {
	const name = "pxecast-bench-"
	for _, dir := range []string{memoryDir, os.TempDir()} {
		old, _ := filepath.Glob(filepath.Join(dir, name+"*"))
		for _, o := range old {
			if _, err := os.Stat("/proc/" + strings.TrimPrefix(filepath.Base(o), name)); errors.Is(err, os.ErrNotExist) {
				os.RemoveAll(o)
			}
		}
	}
	for _, dir := range []string{memoryDir, os.TempDir()} {
		var fs unix.Statfs_t
		if err := unix.Statfs(dir, &fs); err != nil || int64(fs.Bavail)*fs.Bsize < need {
			fmt.Printf("%s has no room for %d MiB\n", dir, need>>20)
			continue
		}
		work := filepath.Join(dir, name+fmt.Sprint(os.Getpid()))
		return work, os.Mkdir(work, 0o700)
	}
	return "", errors.New("no room for the target disks (TMPDIR chooses another place)")
}

// race runs every contender once per repetition. The order turns from one
// repetition to the next, so that the machine's drift hits all alike.
func (f *field) race(ctx context.Context, report *Report, contenders []Contender, repetitions int) error {
	s := f.scenario
	fmt.Printf("\n%s; image %d MiB, targets in %s\n", s.Name, s.Image.RawSize>>20, s.Work)
	for _, c := range contenders {
		fmt.Printf("  %s\n    %s\n", c.Name(), strings.Join(c.CommandLines(s), "\n    "))
	}
	fmt.Println()
	if m := report.Machine; m.Load > busy*float64(m.Cores) {
		fmt.Printf("note: the machine is busy with something else (load %.1f on %d cores): figures and ratios mean little\n\n", m.Load, m.Cores)
	}
	order := slices.Clone(contenders)
	for rep := range repetitions {
		for _, c := range order {
			res, err := f.once(ctx, c, rep)
			if err != nil {
				return fmt.Errorf("%s: %w", c.Name(), err)
			}
			report.Results = append(report.Results, res)
			var rates []float64
			for _, client := range res.Clients {
				rates = append(rates, client.Restored(res.RawBytes))
			}
			m := spreadOf(rates)
			fmt.Printf("repetition %d  %-22s%8.1f MB/s per client (%.1f to %.1f)\n", rep+1, c.Name(), m.median, m.min, m.max)
		}
		order = append(order[1:], order[0])
	}
	if n := f.lab.BacklogDrops(); n > 0 {
		fmt.Printf("note: the kernel dropped %d packets because a CPU's queue was full\n", n)
	}
	return nil
}

// once runs a contender on empty targets and checks every one afterwards: speed
// without the right bytes is no speed.
func (f *field) once(ctx context.Context, c Contender, rep int) (Result, error) {
	s := f.scenario
	for _, t := range s.Targets {
		if err := empty(t, s.Image.RawSize); err != nil {
			return Result{}, err
		}
	}
	outcome, err := c.Run(ctx, f.lab, s)
	if err != nil {
		return Result{}, err
	}
	var g errgroup.Group
	g.SetLimit(2)
	for _, t := range s.Targets {
		g.Go(func() error { return check(t, s.Image) })
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	return Result{Scenario: s.Name, Contender: c.Name(), Repetition: rep, Commands: c.CommandLines(s),
		Timed: c.Timed(), RawBytes: s.Image.RawSize, Outcome: outcome}, nil
}

// empty makes a sparse file of the size, in place of any that is there.
func empty(name string, size int64) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func check(name string, want disks.Disk) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, f, make([]byte, 1<<20))
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != want.RawSize || got != want.SHA256 {
		return fmt.Errorf("%s is not the image: %d bytes, SHA-256 %s", name, n, got)
	}
	return nil
}
