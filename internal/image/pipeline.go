package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/pxecast/pxecast/internal/image/frame"
	"github.com/pxecast/pxecast/internal/image/source"
	"github.com/pxecast/pxecast/protocol"
	"golang.org/x/sync/errgroup"
)

// A pipeline reads a source in order, digests and encodes its blocks on all
// cores, and hands them to a packer in order:
//
//	feed ─ work → workers ─ done ┐
//	     └ order ────────────────→ write → free → feed
//
// Every block travels in a slot; there is a fixed number of them, so memory is
// bounded and no channel send ever blocks but the take from free.
type pipeline struct {
	src   *source.Source
	name  string
	out   *packer
	meter meter
	free  chan *slot
	work  chan *slot
	order chan *slot
}

// A slot carries one block, or a hole of any number of blocks.
type slot struct {
	buf    []byte // memory of one block
	frame  []byte // memory of one frame
	raw    []byte // the block, in buf
	at     int64  // where a worker must read raw from, -1 when it is there
	hole   int64  // bytes; > 0: no block
	zero   bool   // the block turned out to be zeros
	digest Digest
	done   chan error // room for one: workers never wait
}

// slotsPerWorker: one being worked on, one waiting to be, and slack for the
// writer that waits for the slowest.
const slotsPerWorker = 3

// maxHole bounds the hole of one slot so that cancelling takes effect soon:
// 64 GiB of zeros are 2 MiB of frames.
const maxHole = 64 << 30

func newPipeline(src *source.Source, name string, out *packer, workers int, report func(Progress)) *pipeline {
	n := slotsPerWorker*workers + 2
	p := &pipeline{
		src: src, name: name, out: out, meter: meter{report: report},
		free: make(chan *slot, n), work: make(chan *slot, n), order: make(chan *slot, n),
	}
	for range n {
		p.free <- &slot{done: make(chan error, 1)}
	}
	return p
}

// run packs the whole source. On an error nothing of the packer's output may
// be used.
func (p *pipeline) run(ctx context.Context, workers int, level Level) error {
	encoders := make([]encoder, workers)
	for i := range encoders {
		var err error
		if encoders[i], err = newEncoder(level); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	// A full disk must also end a read that waits for a pipe.
	defer context.AfterFunc(ctx, p.src.Interrupt)()
	for _, enc := range encoders {
		g.Go(func() error {
			for s := range p.work {
				s.done <- p.process(enc, s)
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(p.work)
		defer close(p.order)
		if p.src.Raw != nil {
			return p.feedRaw(ctx)
		}
		return p.feedStream(ctx)
	})
	g.Go(func() error { return p.write(ctx) })
	return g.Wait()
}

// take waits for a free slot.
func (p *pipeline) take(ctx context.Context) (*slot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case s := <-p.free:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// feedBlock sends n bytes on their way; at says where they are to be read.
func (p *pipeline) feedBlock(s *slot, at int64, n int) {
	s.at, s.raw, s.hole = at, s.buf[:n], 0
	p.order <- s
	p.work <- s
}

func (s *slot) memory() []byte {
	if s.buf == nil {
		s.buf = make([]byte, blockSize, frame.Room)
		s.frame = make([]byte, 0, protocol.MaxFrame)
	}
	return s.buf
}

func (p *pipeline) feedStream(ctx context.Context) error {
	for total := int64(0); ; {
		s, err := p.take(ctx)
		if err != nil {
			return err
		}
		n, err := io.ReadFull(p.src.Stream, s.memory())
		if total += int64(n); total > MaxRaw {
			return errTooLarge(p.name)
		}
		if n > 0 {
			p.feedBlock(s, -1, n)
		}
		// Decoders report truncation in errors of their own: here it is
		// only the short last block.
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func errTooLarge(name string) error {
	return fmt.Errorf("image %s is larger than %d TiB, the most that is supported", name, int64(MaxRaw)>>40)
}

func (p *pipeline) feedRaw(ctx context.Context) error {
	size := p.src.Raw.Size()
	if size > MaxRaw {
		return errTooLarge(p.name)
	}
	for at := int64(0); at < size; {
		start, end, err := p.src.Raw.NextData(at)
		if err != nil {
			return fmt.Errorf("read image %s: %w", p.name, err)
		}
		if start < size {
			start = start &^ (blockSize - 1)
		}
		if err := p.feedHole(ctx, start-at); err != nil {
			return err
		}
		for at = start; at < end; at += blockSize {
			s, err := p.take(ctx)
			if err != nil {
				return err
			}
			s.memory()
			p.feedBlock(s, at, int(min(blockSize, size-at)))
		}
	}
	return nil
}

func (p *pipeline) feedHole(ctx context.Context, n int64) error {
	for n > 0 {
		s, err := p.take(ctx)
		if err != nil {
			return err
		}
		s.hole = min(n, maxHole)
		n -= s.hole
		s.done <- nil
		p.order <- s
	}
	return nil
}

// process does the work of one block.
func (p *pipeline) process(enc encoder, s *slot) error {
	if s.at >= 0 {
		if _, err := p.src.Raw.ReadAt(s.raw, s.at); errors.Is(err, io.EOF) {
			return fmt.Errorf("image %s became shorter while it was read: wait until it is complete and try again", p.name)
		} else if err != nil {
			return fmt.Errorf("read image %s: %w", p.name, err)
		}
	}
	if s.zero = IsZero(s.raw); s.zero {
		return nil
	}
	s.digest = Sum(s.raw)
	s.frame = enc.EncodeAll(s.raw, s.frame[:0])
	if len(s.frame) > protocol.MaxFrame {
		return fmt.Errorf("image %s: a block became a frame of %d bytes: this is a fault of pxecast, please report it", p.name, len(s.frame))
	}
	return nil
}

// write hands finished slots to the packer in the order of the image.
func (p *pipeline) write(ctx context.Context) error {
	for s := range p.order {
		if err := <-s.done; err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		switch {
		case s.hole > 0:
			err = p.out.zeros(s.hole)
		case s.zero:
			err = p.out.zeros(int64(len(s.raw)))
		default:
			err = p.out.block(s.frame, s.digest, len(s.raw))
		}
		if err != nil {
			return err
		}
		p.free <- s
		p.meter.tick(p.progress)
	}
	return nil
}

func (p *pipeline) progress() Progress {
	r := Progress{InTotal: p.src.Size, RawBytes: p.out.raw, PackedBytes: p.out.written}
	if p.src.Raw != nil {
		r.InBytes = p.out.raw
	} else {
		r.InBytes = p.src.Consumed()
	}
	return r
}
