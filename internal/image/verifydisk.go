package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/pxecast/pxecast/protocol"
	"golang.org/x/sync/errgroup"
)

// sector is the alignment of direct I/O that every disk accepts.
const sector = 4096

// maxMismatches is how many wrong blocks a MismatchError lists.
const maxMismatches = 8

// A MismatchError says which blocks of a disk are not the image's.
type MismatchError struct {
	First  []protocol.SBN // the first few, in order
	Wrong  int            // how many there are
	Blocks int            // of how many
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("disk differs from the image in %d of %d blocks, first in block %d (at byte %d)",
		e.Wrong, e.Blocks, e.First[0], int64(e.First[0])*blockSize)
}

// VerifyDisk checks on all cores that a disk of size bytes begins with exactly
// the image: every data block has its digest and every zero block is zero. It
// reads everything before it returns a [*MismatchError]; a failed read ends it
// at once.
//
// r may bypass the page cache: reads are at multiples of the block size into
// memory aligned to 4096 bytes, and their length is a multiple of 4096 but for
// one that ends at size. progress may be nil.
func VerifyDisk(ctx context.Context, m *Manifest, r io.ReaderAt, size int64, progress func(Progress)) error {
	if size < m.RawSize() {
		return fmt.Errorf("disk has %d bytes, the image %d: it cannot hold the image", size, m.RawSize())
	}
	v := diskVerifier{m: m, r: r, size: size, meter: meter{report: progress}}
	g, ctx := errgroup.WithContext(ctx)
	for range workers() {
		g.Go(func() error { return v.run(ctx) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	v.meter.finish(v.progress())
	if v.wrong == 0 {
		return nil
	}
	return &MismatchError{First: v.first, Wrong: v.wrong, Blocks: m.Blocks()}
}

type diskVerifier struct {
	m     *Manifest
	r     io.ReaderAt
	size  int64
	meter meter
	next  atomic.Int64 // block to take
	done  atomic.Int64 // bytes

	mu    sync.Mutex
	wrong int
	first []protocol.SBN
}

func (v *diskVerifier) progress() Progress {
	n := v.done.Load()
	return Progress{InBytes: n, InTotal: v.m.RawSize(), RawBytes: n}
}

func (v *diskVerifier) run(ctx context.Context) error {
	buf := alignedBlock()
	for ctx.Err() == nil {
		b := v.next.Add(1) - 1
		if b >= int64(v.m.Blocks()) {
			return nil
		}
		s := protocol.SBN(b)
		n := v.m.RawLen(s)
		off := b * blockSize
		want := min(int64(n+sector-1)&^(sector-1), v.size-off)
		if got, err := v.r.ReadAt(buf[:want], off); got < n {
			return fmt.Errorf("read disk at byte %d: %w", off, err)
		}
		if !v.matches(s, buf[:n]) {
			v.mismatch(s)
		}
		v.done.Add(int64(n))
		v.meter.tick(v.progress)
	}
	return ctx.Err()
}

// matches reports whether p is what block s must be.
func (v *diskVerifier) matches(s protocol.SBN, p []byte) bool {
	if i, ok := v.m.Index(s); ok {
		return Sum(p) == v.m.Digest(i)
	}
	return IsZero(p)
}

func (v *diskVerifier) mismatch(s protocol.SBN) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wrong++
	// Workers finish out of order: keep the lowest.
	i, _ := slices.BinarySearch(v.first, s)
	v.first = slices.Insert(v.first, i, s)
	v.first = v.first[:min(len(v.first), maxMismatches)]
}

// alignedBlock returns memory for one block, aligned for direct I/O.
func alignedBlock() []byte {
	b := make([]byte, blockSize+sector)
	skip := -uintptr(unsafe.Pointer(&b[0])) & (sector - 1)
	return b[skip : skip+blockSize : skip+blockSize]
}
