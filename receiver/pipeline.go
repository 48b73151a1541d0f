package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// Target is the disk to be written, see disk.Target.
type Target interface {
	Begin() error
	WriteBlock(off int64, p []byte) error
	Zero(ctx context.Context, off, n int64) error
	Flush() error
	Finish() error
	ReadAt(p []byte, off int64) (int, error)
}

// pipeline takes complete blocks to the disk: rebuild, decode, check, write,
// each block by one worker from end to end, so that it stays in its cache.
type pipeline struct {
	target   Target
	manifest *image.Manifest
	work     chan *block
	results  chan result // as many as blocks can be in memory: workers never wait for it
	written  atomic.Int64
	begun    chan struct{} // closed when the disk may be written
	wait     sync.WaitGroup
}

// result is what became of a block, or of a step of the disk's.
type result struct {
	block *block // nil for a step
	step  step
	err   error
}

type step int

const (
	stepZeros    step = iota + 1 // all zero runs are zero
	stepFlushed                  // all but block 0 is on the disk
	stepFinished                 // block 0 too: done
)

// errDigest says that a block is not what the manifest says: symbols were
// damaged or forged. It is fetched again.
var errDigest = errors.New("block differs from its digest")

func newPipeline(target Target, blocks int) *pipeline {
	return &pipeline{
		target: target, begun: make(chan struct{}),
		work: make(chan *block, blocks), results: make(chan result, blocks+8),
	}
}

// start opens the disk for writing and starts workers for blocks and one
// goroutine for zero runs.
func (p *pipeline) start(ctx context.Context, m *image.Manifest, workers int) {
	p.manifest = m
	p.wait.Go(func() {
		if err := p.target.Begin(); err != nil {
			p.results <- result{err: err}
			return
		}
		close(p.begun)
		p.results <- result{step: stepZeros, err: p.zeros(ctx)}
	})
	for range workers {
		p.wait.Go(func() { p.worker(ctx) })
	}
}

func (p *pipeline) zeros(ctx context.Context) error {
	for _, r := range p.manifest.Runs() {
		if !r.Zero {
			continue
		}
		off := int64(r.First) * protocol.BlockSize
		n := min(int64(r.Blocks)*protocol.BlockSize, p.manifest.RawSize()-off)
		if err := p.target.Zero(ctx, off, n); err != nil {
			return err
		}
		p.written.Add(n)
	}
	return nil
}

// worker owns the buffers that one block at a time goes through.
func (p *pipeline) worker(ctx context.Context) {
	select {
	case <-p.begun:
	case <-ctx.Done():
		return
	}
	coder, decoder := fec.NewCoder(), image.NewDecoder()
	raw := disk.AlignedBuffer(protocol.BlockSize)
	var rows [][]byte
	for {
		select {
		case b := <-p.work:
			p.results <- result{block: b, err: p.block(b, coder, decoder, raw, &rows)}
		case <-ctx.Done():
			return
		}
	}
}

func (p *pipeline) block(b *block, c *fec.Coder, d *image.Decoder, raw []byte, rows *[][]byte) error {
	frame, err := b.frame(c, rows)
	if err != nil {
		return fmt.Errorf("%w: %w", errDigest, err)
	}
	i, ok := p.manifest.Index(b.sbn)
	if !ok {
		return errDigest
	}
	raw, err = d.Decode(raw[:0], frame, p.manifest.RawLen(b.sbn))
	if err != nil || image.Sum(raw) != p.manifest.Digest(i) {
		return errDigest
	}
	if err := p.target.WriteBlock(int64(b.sbn)*protocol.BlockSize, raw); err != nil {
		return err
	}
	p.written.Add(int64(len(raw)))
	return nil
}

// finish flushes the disk, reads it back if verify is set, and writes block 0
// last of all.
func (p *pipeline) finish(ctx context.Context, verify bool, progress func(image.Progress)) {
	p.wait.Go(func() {
		if err := p.target.Flush(); err != nil {
			p.results <- result{err: err}
			return
		}
		p.results <- result{step: stepFlushed}
		p.results <- result{step: stepFinished, err: p.last(ctx, verify, progress)}
	})
}

// last reads back all but block 0, lets the disk be bootable, and reads back
// block 0.
func (p *pipeline) last(ctx context.Context, verify bool, progress func(image.Progress)) error {
	if verify {
		if err := image.VerifyDisk(ctx, p.manifest, p.target, p.manifest.RawSize(), progress); err != nil {
			return fmt.Errorf("reading back what was written: %w", err)
		}
	}
	if err := p.target.Finish(); err != nil || !verify {
		return err
	}
	i, ok := p.manifest.Index(0)
	if !ok {
		return nil
	}
	first := disk.AlignedBuffer(p.manifest.RawLen(0))
	if _, err := p.target.ReadAt(first, 0); err != nil && err != io.EOF {
		return fmt.Errorf("reading back the first block: %w", err)
	}
	if image.Sum(first) != p.manifest.Digest(i) {
		return errors.New("the disk's first block does not read back as it was written: replace the disk")
	}
	return nil
}
