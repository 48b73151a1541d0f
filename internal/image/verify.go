package image

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// maxWorkers bounds the goroutines that pack or verify: 16 of them keep up
// with any disk, and each holds some MiB of buffers.
const maxWorkers = 16

func workers() int { return min(runtime.GOMAXPROCS(0), maxWorkers) }

// Verify decodes every frame on all cores and checks every digest, and that
// the zero frames are what they must be: after it, `zstd -dc` of the file
// gives exactly the image. progress may be nil; it is called at most ten times
// a second and at the end.
func (p *Packed) Verify(ctx context.Context, progress func(Progress)) error {
	v := verifier{p: p, meter: meter{report: progress}}
	g, ctx := errgroup.WithContext(ctx)
	for range workers() {
		g.Go(func() error { return v.data(ctx) })
	}
	g.Go(func() error { return v.zeros(ctx) })
	if err := g.Wait(); err != nil {
		return err
	}
	v.packed.Store(p.m.PackedSize())
	v.meter.finish(v.progress())
	return nil
}

type verifier struct {
	p           *Packed
	meter       meter
	next        atomic.Int64 // data block to take
	raw, packed atomic.Int64 // bytes done
}

func (v *verifier) progress() Progress {
	n := v.packed.Load()
	return Progress{InBytes: n, InTotal: v.p.m.PackedSize(), RawBytes: v.raw.Load(), PackedBytes: n}
}

func (v *verifier) done(packed, raw int64) {
	v.packed.Add(packed)
	v.raw.Add(raw)
	v.meter.tick(v.progress)
}

// data verifies data blocks until none is left.
func (v *verifier) data(ctx context.Context) error {
	m := v.p.m
	d := newDecoder(false)
	var frame []byte
	raw := make([]byte, blockSize+Overrun)
	for ctx.Err() == nil {
		i := int(v.next.Add(1) - 1)
		if i >= m.DataBlocks() {
			return nil
		}
		s := m.SBN(i)
		var err error
		if frame, err = v.p.ReadFrame(i, frame); err != nil {
			return err
		}
		b, err := d.Decode(raw, frame, m.RawLen(s))
		if err == nil && Sum(b) != m.Digest(i) {
			err = fmt.Errorf("its digest is not the manifest's")
		}
		if err != nil {
			return fmt.Errorf("packed image %s is damaged: block %d: %w: copy it again", v.p.name, s, err)
		}
		v.done(int64(len(frame)), int64(len(b)))
	}
	return ctx.Err()
}

// zeros verifies the zero frames.
func (v *verifier) zeros(ctx context.Context) error {
	m := v.p.m
	var want, got []byte
	var wantRaw int64
	for r, run := range m.runs {
		if !run.Zero {
			continue
		}
		at := m.zeroOffset(r)
		for raw := range m.zeroFrames(run) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if raw != wantRaw {
				want, wantRaw = appendZeroFrame(want[:0], raw), raw
				got = append(got[:0], want...)
			}
			if _, err := v.p.file.ReadAt(got, at); err != nil {
				return fmt.Errorf("read packed image %s: %w", v.p.name, err)
			}
			if !bytes.Equal(got, want) {
				return fmt.Errorf("packed image %s is damaged: the zeros from block %d on: copy it again", v.p.name, run.First)
			}
			at += int64(len(want))
			v.done(int64(len(want)), raw)
		}
	}
	return nil
}

// zeroOffset returns where the frames of zero run r begin.
func (m *Manifest) zeroOffset(r int) int64 {
	b := m.before[r]
	if b.data == 0 {
		return b.zeroBytes
	}
	last := int(b.data) - 1 // in the run before, so no zero frames lie between
	return m.FrameOffset(last) + int64(m.FrameLen(last))
}
