package simulation

import (
	"bytes"
	"context"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// thinDisk keeps of what is written only whether it is the image: a room of
// thousands fits into memory. Its speed is that of one disk, however many write
// to it.
type thinDisk struct {
	image  []byte
	rate   int64 // bytes a second; 0 no limit
	broken error // returned by every write

	mu    sync.Mutex
	free  time.Time // when all that was written so far is
	right *blockset.Set
	wrong bool
	done  bool
}

func newThinDisk(image []byte) *thinDisk {
	return &thinDisk{image: image, right: blockset.New(protocol.Blocks(int64(len(image))))}
}

func (d *thinDisk) Begin() error { return nil }

func (d *thinDisk) WriteBlock(off int64, p []byte) error {
	if d.rate > 0 {
		d.mu.Lock()
		now := time.Now()
		if d.free.Before(now) {
			d.free = now
		}
		d.free = d.free.Add(time.Duration(int64(len(p)) * int64(time.Second) / d.rate))
		wait := d.free.Sub(now)
		d.mu.Unlock()
		pass(wait)
	}
	if d.broken != nil {
		return d.broken
	}
	same := bytes.Equal(p, d.image[off:off+int64(len(p))])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = d.wrong || !same || d.done
	d.right.Add(int(off / protocol.BlockSize))
	return nil
}

func (d *thinDisk) Zero(_ context.Context, off, n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.right.AddRange(int(off/protocol.BlockSize), protocol.Blocks(off+n))
	d.wrong = d.wrong || len(bytes.Trim(d.image[off:off+n], "\x00")) > 0
	return nil
}

func (d *thinDisk) Flush() error { return nil }

func (d *thinDisk) Finish() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done = true
	return nil
}

func (d *thinDisk) Held(off, _ int64) bool { return off == 0 }

func (d *thinDisk) Erased(off, _ int64) bool { return off == 0 }

// ReadAt reads what was written; the rest of the disk is zero.
func (d *thinDisk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for n < len(p) && off < int64(len(d.image)) {
		s := int(off / protocol.BlockSize)
		end := min(int64(s+1)*protocol.BlockSize, off+int64(len(p)-n), int64(len(d.image)))
		if d.right.Has(s) {
			copy(p[n:], d.image[off:end])
		} else {
			clear(p[n : n+int(end-off)])
		}
		n, off = n+int(end-off), end
	}
	return n, nil
}

func (d *thinDisk) holds() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done && !d.wrong && d.right.NextAbsent(0) == d.right.Len()
}

// target is the machine's disk, whichever it has.
func (p *pc) target() receiver.Target {
	if p.thin != nil {
		return p.thin
	}
	if p.other != nil {
		return p.other
	}
	return p.disk
}

func (p *pc) holds(raw []byte) bool {
	if p.thin != nil {
		return p.thin.holds()
	}
	return p.disk.holds(raw)
}
