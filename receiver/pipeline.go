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
	Held(off, n int64) bool   // part of it is only in memory until Finish
	Erased(off, n int64) bool // Begin erases part of it
	ReadAt(p []byte, off int64) (int, error)
}

// pipeline takes complete blocks to the disk: rebuild, decode, check, write,
// each block by one worker from end to end, so that it stays in its cache. In
// between, the workers read what is on the disk already.
type pipeline struct {
	target   Target
	manifest *image.Manifest
	reuse    Reuse
	throttle throttle
	scan     *scan // nil before start
	work     chan *block
	results  chan result // as many as blocks can be in memory: workers never wait for it
	written  atomic.Int64
	decoding atomic.Int64 // nanoseconds that the workers were at it, digests included
	writing  atomic.Int64
	wait     sync.WaitGroup

	kept    []kept
	opening atomic.Bool
	begun   chan struct{} // closed when the disk may be written, or openErr says why not
	openErr error

	zeroChecked, zeroEqual atomic.Int64 // bytes of zero runs that were read or made zero; that were zero
	cleared                atomic.Bool
}

// result is what became of a block, or of a step of the disk's.
type result struct {
	block  *block // nil for a step
	reused bool   // it was on the disk
	step   step
	err    error
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

// newPipeline returns a pipeline for that many blocks in memory; its reuse and
// throttle may be changed before start.
func newPipeline(target Target, blocks int) *pipeline {
	return &pipeline{
		target: target, begun: make(chan struct{}),
		work: make(chan *block, blocks), results: make(chan result, blocks+8),
	}
}

// start starts workers and one goroutine for what only one does. It returns at
// once; scan says how far they know the disk.
func (p *pipeline) start(ctx context.Context, m *image.Manifest, workers int) {
	p.manifest = m
	p.scan = newScan(m, p.reuse, time.Now())
	p.wait.Go(func() {
		if p.reuse != ReuseNever {
			p.keep()
		}
		for range workers {
			p.wait.Go(func() { p.worker(ctx) })
		}
		p.results <- result{step: stepZeros, err: p.zeros(ctx)}
	})
}

// worker owns the buffers that one block at a time goes through.
type worker struct {
	rebuilder *rebuilder
	decoder   *image.Decoder
	raw       []byte
}

func (p *pipeline) worker(ctx context.Context) {
	w := worker{newRebuilder(), image.NewDecoder(), disk.AlignedBuffer(protocol.BlockSize + image.Overrun)}
	for ctx.Err() == nil {
		ending := p.scan.ending()
		// What comes waits for the sample, but the rest of the disk for what comes.
		if !p.scan.sampling() {
			select {
			case b := <-p.work:
				p.put(ctx, b, &w)
				continue
			default:
			}
		}
		if s, ok := p.scan.next(time.Now()); ok {
			p.check(ctx, s, &w)
			continue
		}
		select {
		case b := <-p.work:
			p.put(ctx, b, &w)
		case <-ending:
		case <-ctx.Done():
		}
	}
}

func (p *pipeline) block(ctx context.Context, b *block, w *worker) error {
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
	if err := p.begin(); err != nil {
		return err
	}
	if err := p.throttle.wait(ctx, int64(len(raw))); err != nil {
		return err
	}
	if err := p.target.WriteBlock(int64(b.sbn)*protocol.BlockSize, raw); err != nil {
		return err
	}
	p.writing.Add(int64(time.Since(decoded)))
	p.written.Add(int64(len(raw)))
	return nil
}

// finish flushes the disk, reads it back if verify is set, and writes block 0
// last of all. A disk to which nothing was written is flushed, too: who was
// interrupted here before us may not have done so.
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
		return p.complete()
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
	if err := p.complete(); err != nil {
		return err
	}
	for _, s := range held {
		if err := p.readBack(s); err != nil {
			return err
		}
	}
	return nil
}

// complete finishes what was begun.
func (p *pipeline) complete() error {
	if !p.opening.Load() {
		return nil
	}
	return p.target.Finish()
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
