package limit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/report"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// blockStages measures what each receiver does with every block: decode, digest
// and write. Times are left open.
func blockStages(ctx context.Context, packed *image.Packed, dir string) ([]report.Stage, error) {
	var stages []report.Stage
	for _, s := range []struct {
		name string
		work func(*worker) error
	}{{report.StageDecode, (*worker).decode}, {report.StageDigest, (*worker).digest}, {report.StageWrite, (*worker).write}} {
		var costs []float64
		for range repetitions {
			took, err := everywhere(ctx, packed, dir, s.work)
			if err != nil {
				return nil, err
			}
			costs = append(costs, took.Seconds()/float64(packed.Manifest().RawSize())*1e9)
		}
		stages = append(stages, stage(s.name, costs))
	}
	return stages, nil
}

// everywhere shares the blocks out to as many threads as there are cores and
// adds up their times. All cores are busy, as they are where the CPU is the
// limit: what shares a core or the memory bus is slower for it.
func everywhere(ctx context.Context, packed *image.Packed, dir string, work func(*worker) error) (sum time.Duration, err error) {
	var (
		next    atomic.Int64
		threads sync.WaitGroup
		workers = make([]worker, runtime.NumCPU())
		errs    = make([]error, len(workers))
	)
	for i := range workers {
		workers[i] = worker{ctx: ctx, packed: packed, next: &next, first: i == 0,
			path:    filepath.Join(dir, fmt.Sprintf("limit-%d-%d.img", os.Getpid(), i)),
			decoder: image.NewDecoder(),
			frame:   make([]byte, protocol.MaxFrame), raw: disk.AlignedBuffer(protocol.BlockSize + image.Overrun)}
		threads.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			errs[i] = work(&workers[i])
		})
	}
	threads.Wait()
	for _, w := range workers {
		sum += w.took
	}
	return sum, errors.Join(errs...)
}

// worker is a thread with the buffers that one block at a time goes through, as
// in a receiver.
type worker struct {
	ctx     context.Context
	packed  *image.Packed
	next    *atomic.Int64 // data block that nobody has taken
	first   bool
	path    string // of the worker's target
	decoder *image.Decoder
	frame   []byte
	raw     []byte
	took    time.Duration
}

// each calls f with every block that the worker gets. The frame is in memory by
// then: there it is when the last of its datagrams has come.
func (w *worker) each(f func(i int, frame []byte, rawLen int) error) error {
	m := w.packed.Manifest()
	for w.ctx.Err() == nil {
		i := int(w.next.Add(1) - 1)
		if i >= m.DataBlocks() {
			return nil
		}
		frame, err := w.packed.ReadFrame(i, w.frame)
		if err != nil {
			return err
		}
		if err := f(i, frame, m.RawLen(m.SBN(i))); err != nil {
			return err
		}
	}
	return w.ctx.Err()
}

// timed counts what f takes.
func (w *worker) timed(f func() error) error {
	begin := threadTime()
	err := f()
	w.took += threadTime() - begin
	return err
}

func (w *worker) decode() error {
	return w.each(func(_ int, frame []byte, n int) error {
		return w.timed(func() error {
			_, err := w.decoder.Decode(w.raw[:0], frame, n)
			return err
		})
	})
}

// digest counts the digest alone, of a block that has just been decoded.
func (w *worker) digest() error {
	m := w.packed.Manifest()
	return w.each(func(i int, frame []byte, n int) error {
		raw, err := w.decoder.Decode(w.raw[:0], frame, n)
		if err != nil {
			return err
		}
		return w.timed(func() error {
			if image.Sum(raw) != m.Digest(i) {
				return fmt.Errorf("block %d of %s is not what its manifest says: pack it again", m.SBN(i), w.packed.Name())
			}
			return nil
		})
	})
}

// write counts what a target does with blocks that have just been decoded, from
// Begin to Finish. Every worker writes its share to a disk of its own: on one,
// they would wait for each other. The zero runs are the first worker's. The
// memory of the file is there before: a virtual machine's host may take a
// multiple of the write's own time to find a page for it.
func (w *worker) write() (err error) {
	m := w.packed.Manifest()
	defer os.Remove(w.path)
	if err := disks.Warm(w.path, m.RawSize()); err != nil {
		return err
	}
	target, err := disk.Lock(w.path, m.RawSize())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if err := w.timed(target.Begin); err != nil {
		return err
	}
	for _, r := range m.Runs() {
		if !r.Zero || !w.first {
			continue
		}
		off := int64(r.First) * protocol.BlockSize
		n := min(int64(r.Blocks)*protocol.BlockSize, m.RawSize()-off)
		if err := w.timed(func() error { return target.Zero(w.ctx, off, n) }); err != nil {
			return err
		}
	}
	err = w.each(func(i int, frame []byte, n int) error {
		raw, err := w.decoder.Decode(w.raw[:0], frame, n)
		if err != nil {
			return err
		}
		return w.timed(func() error { return target.WriteBlock(int64(m.SBN(i))*protocol.BlockSize, raw) })
	})
	if err != nil {
		return err
	}
	return w.timed(target.Finish)
}
