package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
)

// The mistakes of callers.
var (
	errNotBegun = errors.New("nothing may be written before Begin")
	errFinished = errors.New("nothing may be written after Finish")
	errOutside  = errors.New("outside the image")
)

type stage int

const (
	locked stage = iota
	writing
	finished
	closed
)

// bootSize is the very front of block 0: boot sector and the GPT's header, with
// sectors of up to 2048 bytes, or its protective part with larger ones.
const bootSize = pageSize

// Target is a disk that is being written. Its methods are safe for concurrent
// use; WriteBlock and Zero must not overlap in what they write.
type Target struct {
	info    Info
	size    int64 // of the image
	disk    int64 // of the disk
	created string

	// Writes and reads hold mu for reading: Finish and Close wait for them.
	mu    sync.RWMutex
	stage stage
	m     medium

	// Two places are kept in memory until Finish: block 0, and the disk's last
	// block if the image reaches into it, since firmware that finds no GPT in
	// block 0 takes the copy in the last sector.
	head, tail held

	broken atomic.Pointer[error] // the first failure: there is no Finish after it
}

func newTarget(info Info, size int64, m medium) *Target {
	t := &Target{info: info, size: size, disk: max(info.Size, size), m: m}
	t.head = held{off: 0, end: min(blockSize, size)}
	last := (t.disk - 1) / blockSize * blockSize
	if last > 0 && last < size {
		t.tail = held{off: last, end: size}
	}
	return t
}

// Info returns what Check found. It is not refreshed.
func (t *Target) Info() Info { return t.info }

// Size returns the image's size in bytes, as given to Lock or Open.
func (t *Target) Size() int64 { return t.size }

// Erased tells whether Begin erases anything of [off, off+n): what a read
// found there before Begin is then gone and has to be written again.
func (t *Target) Erased(off, n int64) bool {
	return n > 0 && (off < blockSize || off+n > t.endStart())
}

// Held tells whether any of [off, off+n) is kept in memory until Finish: it can
// be read back from the disk itself only afterwards. These are block 0 and, if
// the image reaches into it, the disk's last block.
func (t *Target) Held(off, n int64) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.stage <= writing && n > 0 && (t.head.covers(off, n) || t.tail.covers(off, n))
}

func (t *Target) endStart() int64 { return max(min(blockSize, t.disk), t.disk-endSize) }

// Begin makes the disk unbootable and lets the writing start: it zeroes the
// first 256 KiB and the last 1 MiB of the disk, extends an image file that is
// too short, and flushes. After an error the target can only be closed.
func (t *Target) Begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage == closed {
		return &Error{"write", t.info.Path, 0, os.ErrClosed}
	}
	if t.stage != locked {
		return nil
	}
	if err := t.failure(); err != nil {
		return err
	}
	if err := t.m.grow(t.size); err != nil {
		return t.fail("extend", -1, err)
	}
	front, end := min(blockSize, t.disk), t.endStart()
	if err := t.m.zero(context.Background(), 0, front); err != nil {
		return t.fail("write", 0, err)
	}
	if end < t.disk {
		if err := t.m.zero(context.Background(), end, t.disk-end); err != nil {
			return t.fail("write", end, err)
		}
	}
	if err := t.m.sync(); err != nil {
		return t.fail("flush", -1, err)
	}
	t.stage = writing
	return nil
}

// WriteBlock writes p at offset off of the disk. p from AlignedBuffer, with off
// a multiple of 4096, goes to the disk without a copy; len(p) may be anything:
// a last sector that p fills only in part keeps the rest of its bytes. After an
// error, which names disk and offset, Finish refuses.
func (t *Target) WriteBlock(off int64, p []byte) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.writable("write", off, int64(len(p))); err != nil {
		return err
	}
	t.head.put(off, p)
	t.tail.put(off, p)
	from, to := t.between(off, int64(len(p)))
	if from >= to {
		return nil
	}
	if err := t.m.writeAt(p[from-off:to-off], from); err != nil {
		return t.fail("write", from, err)
	}
	return nil
}

// Zero makes [off, off+n) of the disk read as zeros, by a hole, by the disk's
// own command, or by writing them. It returns early when ctx is done; like every
// error this means that there will be no Finish. One call for 100 GB is quick on
// an image file, and on a disk as quick as the disk can.
func (t *Target) Zero(ctx context.Context, off, n int64) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := t.writable("zero", off, n); err != nil {
		return err
	}
	t.head.clear(off, n)
	t.tail.clear(off, n)
	from, to := t.between(off, n)
	if from >= to {
		return nil
	}
	if err := t.m.zero(ctx, from, to-from); err != nil {
		return t.fail("zero", from, err)
	}
	return nil
}

func (t *Target) writable(op string, off, n int64) error {
	var err error
	switch {
	case t.stage == locked:
		err = errNotBegun
	case t.stage == finished:
		err = errFinished
	case t.stage == closed:
		err = os.ErrClosed
	case off < 0 || n < 0 || off > t.size-n:
		err = fmt.Errorf("%d bytes are %w of %d", n, errOutside, t.size)
	default:
		return t.failure()
	}
	return &Error{op, t.info.Path, off, err}
}

// between cuts the held places off [off, off+n).
func (t *Target) between(off, n int64) (from, to int64) {
	from, to = max(off, t.head.end), off+n
	if t.tail.end > 0 {
		to = min(to, t.tail.off)
	}
	return from, to
}

// Flush returns when everything written so far, held places aside, survives a
// power cut.
func (t *Target) Flush() error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.stage == closed {
		return &Error{"flush", t.info.Path, -1, os.ErrClosed}
	}
	if err := t.failure(); err != nil {
		return err
	}
	return t.flush()
}

func (t *Target) flush() error {
	if err := t.m.sync(); err != nil {
		// The kernel reports lost writes once: a second flush would succeed.
		return t.fail("flush", -1, err)
	}
	return nil
}

// Finish completes the disk: it flushes everything written, then writes the
// held places and flushes again, block 0's first sectors last of all. It has the
// kernel read the partition table, best effort. After any earlier failure it
// returns that one, and block 0 stays zeroed.
func (t *Target) Finish() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch t.stage {
	case finished:
		return nil
	case closed:
		return &Error{"flush", t.info.Path, -1, os.ErrClosed}
	case locked:
		return &Error{"flush", t.info.Path, -1, errNotBegun}
	}
	if err := t.failure(); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	boot := min(bootSize, t.head.end)
	if err := errors.Join(t.release(&t.tail, t.tail.off, t.tail.end), t.release(&t.head, boot, t.head.end)); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	if err := t.release(&t.head, 0, boot); err != nil {
		return err
	}
	if err := t.flush(); err != nil {
		return err
	}
	t.m.settle()
	t.head.buf, t.tail.buf = nil, nil
	t.stage = finished
	return nil
}

// release writes [from, to) of a held place to the disk.
func (t *Target) release(h *held, from, to int64) error {
	if h.buf == nil || from >= to {
		return nil
	}
	if err := t.m.writeAt(h.buf[from-h.off:to-h.off], from); err != nil {
		return t.fail("write", from, err)
	}
	return nil
}

// ReadBlock fills p from offset off; see Reader.ReadBlock. Between Begin and
// Finish, held places are read from memory: what the disk is going to hold.
// What was written just before and not flushed may come from the page cache on
// file systems without O_DIRECT.
func (t *Target) ReadBlock(off int64, p []byte) error {
	n, err := t.read(off, p)
	if err == nil && n < len(p) {
		err = &Error{"read", t.info.Path, off + int64(n), io.ErrUnexpectedEOF}
	}
	return err
}

// ReadAt is ReadBlock with the contract of io.ReaderAt.
func (t *Target) ReadAt(p []byte, off int64) (int, error) {
	n, err := t.read(off, p)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (t *Target) read(off int64, p []byte) (int, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.stage == closed {
		return 0, &Error{"read", t.info.Path, off, os.ErrClosed}
	}
	n, err := readMedium(t.m, t.info.Path, off, p)
	if err == nil {
		t.head.get(off, p[:n])
		t.tail.get(off, p[:n])
	}
	return n, err
}

// Close releases the target, after the calls under way. Without Finish block 0
// stays zeroed; without Begin nothing was changed.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stage == closed {
		return nil
	}
	unused := t.stage == locked && t.created != ""
	t.stage = closed
	t.head.buf, t.tail.buf = nil, nil
	var err error
	if unused {
		err = os.Remove(t.created) // while the lock still keeps others away
	}
	if e := t.m.close(); e != nil {
		err = errors.Join(err, &Error{"close", t.info.Path, -1, e})
	}
	return err
}

func (t *Target) fail(op string, off int64, err error) error {
	err = &Error{op, t.info.Path, off, err}
	t.broken.CompareAndSwap(nil, &err)
	return err
}

func (t *Target) failure() error {
	if p := t.broken.Load(); p != nil {
		return *p
	}
	return nil
}
