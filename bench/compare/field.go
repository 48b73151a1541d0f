package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// field is the lab of one scenario with everything that contenders share.
type field struct {
	lab      *lab.Lab
	scenario Scenario
}

// newField builds the lab and the targets' folders.
func newField(ctx context.Context, t task, image ready, work string) (*field, error) {
	f := &field{scenario: Scenario{
		Scenario: report.Scenario{Image: t.source.image(), Receivers: t.receivers, RateMbit: t.rate, LossPercent: t.loss,
			RawBytes: image.disk.RawSize, PackedBytes: image.packedBytes},
		Files: image.files, Work: work,
	}}
	for i := range t.receivers {
		f.scenario.Targets = append(f.scenario.Targets, filepath.Join(work, fmt.Sprintf("client%d", i+1), "target.img"))
	}
	for _, target := range f.scenario.Targets {
		if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	var err error
	if f.lab, err = lab.New(ctx, lab.Config{Hosts: 1 + t.receivers}); err != nil {
		return nil, errors.Join(err, f.close())
	}
	if err := f.constrain(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// constrain sets the scenario's rate and loss, and has the sender's frames
// counted.
func (f *field) constrain() error {
	sender := f.lab.Host(0)
	set := sender.CountSent
	if rate := f.scenario.RateMbit; rate > 0 {
		set = func() error { return sender.SetRate(rate) }
	}
	if err := set(); err != nil {
		return err
	}
	if f.scenario.LossPercent == 0 {
		return nil
	}
	for _, h := range f.lab.Hosts()[1:] {
		if err := h.SetLoss(lab.Loss{Percent: f.scenario.LossPercent}); err != nil {
			return err
		}
	}
	return nil
}

// close takes the lab down and frees the disks' memory.
func (f *field) close() error {
	var err error
	if f.lab != nil {
		err = f.lab.Close()
	}
	for _, target := range f.scenario.Targets {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(target)))
	}
	return err
}

// once runs a contender on disks full of something else and compares every one
// with the image afterwards: speed without the right bytes is no speed. A contender's failure is in the Result;
// an error is one of ours, or the context's.
func (f *field) once(ctx context.Context, c Contender, repetition int, timeout time.Duration) (report.Result, error) {
	s := f.scenario
	s.Timeout = timeout
	res := report.Result{Scenario: s.Scenario, Contender: c.Name(), Repetition: repetition,
		Commands: c.CommandLines(s), Timed: c.Timed()}
	if err := warm(s, c); err != nil {
		return res, err
	}
	before, err := f.lab.Host(0).Sent()
	if err != nil {
		return res, err
	}
	outcome, err := c.Run(ctx, f.lab, s)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	if err == nil && c.Restores() {
		err = checkAll(s)
	}
	if err != nil {
		res.Error = err.Error()
		return res, nil
	}
	after, err := f.lab.Host(0).Sent()
	res.Sender, res.Clients, res.WireBytes = outcome.Sender, outcome.Clients, after.Bytes-before.Bytes
	return res, err
}

// warm fills the disks of a contender that writes any.
func warm(s Scenario, c Contender) error {
	if !c.Restores() {
		return nil
	}
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, target := range s.Targets {
		g.Go(func() error { return disks.Warm(target, s.RawBytes) })
	}
	return g.Wait()
}

func checkAll(s Scenario) error {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for _, target := range s.Targets {
		g.Go(func() error { return check(target, s.Files.Raw) })
	}
	return g.Wait()
}

// check compares a disk byte by byte with the unpacked image, whose SHA-256 was
// right when it was unpacked: twice as fast as digesting the disk.
func check(name, image string) error {
	got, err := os.Open(name)
	if err != nil {
		return err
	}
	defer got.Close()
	want, err := os.Open(image)
	if err != nil {
		return err
	}
	defer want.Close()
	disk := filepath.Base(filepath.Dir(name))
	a, b := make([]byte, checkBytes), make([]byte, checkBytes)
	for off := int64(0); ; off += checkBytes {
		n, err := io.ReadFull(got, a)
		m, werr := io.ReadFull(want, b)
		if err := errors.Join(broken(err), broken(werr)); err != nil {
			return err
		}
		if n != m || !bytes.Equal(a[:n], b[:m]) {
			return fmt.Errorf("%s is not the image: it differs within the %d bytes from %d on", disk, checkBytes, off)
		}
		if n < checkBytes {
			return nil
		}
	}
}

// checkBytes is how much is compared at once: both fit into a core's cache.
const checkBytes = 256 << 10

// broken is the error of a read that is not just the file's end.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}
