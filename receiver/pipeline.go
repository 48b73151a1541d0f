package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
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
	Held(off, n int64) bool // part of it is only in memory until Finish
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
	decoding atomic.Int64 // nanoseconds that the workers were at it, digests included
	writing  atomic.Int64
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
type worker struct {
	rebuilder *rebuilder
	decoder   *image.Decoder
	raw       []byte
}

func (p *pipeline) worker(ctx context.Context) {
	select {
	case <-p.begun:
	case <-ctx.Done():
		return
	}
	w := worker{newRebuilder(), image.NewDecoder(), disk.AlignedBuffer(protocol.BlockSize + image.Overrun)}
	for {
		select {
		case b := <-p.work:
			p.results <- result{block: b, err: p.block(b, &w)}
		case <-ctx.Done():
			return
		}
	}
}

func (p *pipeline) block(b *block, w *worker) error {
	begin := time.Now()
	frame, err := w.rebuilder.frame(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errDigest, err)
	}
	i, ok := p.manifest.Index(b.sbn)
	if !ok {
		return errDigest
	}
	raw, err := w.decoder.Decode(w.raw[:0], frame, p.manifest.RawLen(b.sbn))
	if err != nil || image.Sum(raw) != p.manifest.Digest(i) {
		return errDigest
	}
	decoded := time.Now()
	p.decoding.Add(int64(decoded.Sub(begin)))
	if err := p.target.WriteBlock(int64(b.sbn)*protocol.BlockSize, raw); err != nil {
		return err
	}
	p.writing.Add(int64(time.Since(decoded)))
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

// last reads back what is on the disk, lets it be bootable, and reads back what
// was held in memory until then: the first block, and maybe the last.
func (p *pipeline) last(ctx context.Context, verify bool, progress func(image.Progress)) error {
	if err := ctx.Err(); err != nil {
		return err // a disk that we say failed must not boot
	}
	if !verify {
		return p.target.Finish()
	}
	if err := image.VerifyDisk(ctx, p.manifest, p.target, p.manifest.RawSize(), progress); err != nil {
		return fmt.Errorf("reading back what was written: %w", err)
	}
	var held []protocol.SBN
	for _, s := range []protocol.SBN{0, protocol.SBN(p.manifest.Blocks() - 1)} {
		if p.target.Held(int64(s)*protocol.BlockSize, int64(p.manifest.RawLen(s))) {
			held = append(held, s)
		}
	}
	if err := p.target.Finish(); err != nil {
		return err
	}
	for _, s := range held {
		if err := p.readBack(s); err != nil {
			return err
		}
	}
	return nil
}

// readBack checks one block of the finished disk.
func (p *pipeline) readBack(s protocol.SBN) error {
	n := p.manifest.RawLen(s)
	// Direct reads want whole pages, up to the end of the disk.
	raw := disk.AlignedBuffer(protocol.BlockSize)[:n]
	if _, err := p.target.ReadAt(raw, int64(s)*protocol.BlockSize); err != nil && err != io.EOF {
		return fmt.Errorf("reading back block %d: %w", s, err)
	}
	want := image.Sum(make([]byte, n))
	if i, ok := p.manifest.Index(s); ok {
		want = p.manifest.Digest(i)
	}
	if image.Sum(raw) != want {
		return fmt.Errorf("block %d does not read back as it was written: replace the disk", s)
	}
	return nil
}
