package receiver

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// What is on the disk already is compared with the manifest here, and is not
// written again.

// kept is a block that was on the disk and is erased when the writing begins.
type kept struct {
	off int64
	raw []byte
}

// keep reads the few data blocks that are erased before the first write, and
// keeps those that are the image's: they are never fetched again. If the first is
// blank, the sample is a closer one; the last ones do not tell, as only a part of
// one may be erased.
func (p *pipeline) keep() {
	last := protocol.SBN(p.manifest.Blocks() - 1)
	is, data := p.keepBlock(0)
	if !data { // nothing tells whether it was erased; it is read all the same, to wake a disk that sleeps
		_, _ = p.target.ReadAt(disk.AlignedBuffer(4<<10), 0)
		is = foundBlank
	}
	p.scan.head(is, time.Now())
	for s := last; s > 0 && p.target.Erased(int64(s)*protocol.BlockSize, int64(p.manifest.RawLen(s))); s-- {
		p.keepBlock(s)
	}
}

// keepBlock returns what is in place of block s, and whether it has data in the
// image: else to be erased is all it needs.
func (p *pipeline) keepBlock(s protocol.SBN) (is content, data bool) {
	if _, data := p.manifest.Index(s); !data {
		return 0, false
	}
	raw := disk.AlignedBuffer(p.manifest.RawLen(s))
	p.scan.claim(s)
	is = p.compare(s, raw)
	if is == foundEqual {
		p.kept = append(p.kept, kept{int64(s) * protocol.BlockSize, raw})
		p.written.Add(int64(len(raw)))
	}
	p.scan.done(s, is)
	return is, true
}

// begin lets the disk be written, before the first write. What that erases of
// the blocks that were there is put back.
func (p *pipeline) begin() error {
	if p.opening.CompareAndSwap(false, true) {
		p.openErr = p.target.Begin()
		for _, k := range p.kept {
			if p.openErr == nil {
				p.openErr = p.target.WriteBlock(k.off, k.raw)
			}
		}
		p.kept = nil
		close(p.begun)
	}
	<-p.begun
	return p.openErr
}

// compare reads what is on the disk in place of data block s; raw is memory for
// it. What cannot be read may well be written.
func (p *pipeline) compare(s protocol.SBN, raw []byte) content {
	raw = raw[:p.manifest.RawLen(s)]
	n, err := p.target.ReadAt(raw, int64(s)*protocol.BlockSize)
	if n < len(raw) {
		if err == nil || errors.Is(err, io.EOF) {
			return foundBlank // an image file that is still shorter
		}
		return foundUnread
	}
	if image.IsZero(raw) {
		return foundBlank // a new disk costs no digests
	}
	if i, data := p.manifest.Index(s); data && image.Sum(raw) == p.manifest.Digest(i) {
		return foundEqual
	}
	return foundOther
}

// check reads block s of the disk and takes care of the block that came
// meanwhile.
func (p *pipeline) check(ctx context.Context, s protocol.SBN, w *worker) {
	is := p.compare(s, w.raw)
	if is == foundEqual {
		p.written.Add(int64(p.manifest.RawLen(s)))
	}
	b := p.scan.done(s, is)
	switch {
	case b == nil:
	case is == foundEqual:
		p.results <- result{block: b, reused: true}
	default:
		p.results <- result{block: b, err: p.block(ctx, b, w)}
	}
}

// put takes a complete block to the disk, unless it is there.
func (p *pipeline) put(ctx context.Context, b *block, w *worker) {
	switch p.scan.take(b) {
	case writeIt:
		p.results <- result{block: b, err: p.block(ctx, b, w)}
	case readFirst:
		p.check(ctx, b.sbn, w)
	case dropIt:
		p.results <- result{block: b, reused: true}
	case leaveIt:
	}
}

// zeros makes all zero runs zero. A disk that holds some of the image is read
// first, when its data blocks have been: what is zero is not written.
func (p *pipeline) zeros(ctx context.Context) error {
	select {
	case <-p.scan.over:
	case <-ctx.Done():
		return ctx.Err()
	}
	foreign := p.reuse == ReuseNever || p.scan.foreign() && p.manifest.DataBlocks() > 0
	if foreign {
		if err := p.begin(); err != nil { // at once: it takes a while
			return err
		}
	}
	defer p.cleared.Store(true)
	buffer := disk.AlignedBuffer(protocol.BlockSize)
	for _, r := range p.manifest.Runs() {
		if !r.Zero {
			continue
		}
		off := int64(r.First) * protocol.BlockSize
		end := min(off+int64(r.Blocks)*protocol.BlockSize, p.manifest.RawSize())
		var err error
		if foreign {
			err = p.zero(ctx, off, end-off)
		} else {
			err = p.clear(ctx, off, end, buffer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mostCleared is how much is zeroed at once when what was read before it was
// not zero: disks zero much at once faster than they read it.
const mostCleared = 64 << 20

// clear makes [off, end) zero, and writes little of what is zero already: each
// block that is not zero in a row doubles how much is zeroed unread.
func (p *pipeline) clear(ctx context.Context, off, end int64, buffer []byte) error {
	for row := int64(len(buffer)); off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n := p.hole(off, end); n > 0 {
			p.written.Add(n)
			p.zeroEqual.Add(n)
			p.zeroChecked.Add(n)
			off += n
			continue
		}
		raw := buffer[:min(int64(len(buffer)), end-off)]
		n := int64(len(raw))
		if got, err := p.target.ReadAt(raw, off); got == len(raw) && image.IsZero(raw) {
			row = int64(len(buffer))
			p.written.Add(n)
			p.zeroEqual.Add(n)
		} else {
			if got < len(raw) && (err == nil || errors.Is(err, io.EOF)) {
				row = end - off // past the end of an image file: there is nothing to read
			}
			n = min(row, end-off)
			row = min(2*row, mostCleared)
			if err := p.zero(ctx, off, n); err != nil {
				return err
			}
		}
		off += n
		p.zeroChecked.Add(n)
	}
	return nil
}

// hole returns how much from off on is known to be zero unread, in whole blocks.
func (p *pipeline) hole(off, end int64) int64 {
	t, ok := p.target.(interface{ NextData(off int64) int64 })
	if !ok {
		return 0
	}
	to := t.NextData(off)
	if to < end {
		to -= (to - off) % protocol.BlockSize
	}
	return min(to, end) - off
}

// limitedZero is how much is zeroed between two waits of a limited disk: so
// much that disks do it by a command if they have one.
const limitedZero = 8 << 20

// unlimitedZero is what is zeroed at once else: a disk that takes its time is seen
// to go on, and is not taken for one that hangs.
const unlimitedZero = 64 << 20

// zero makes [off, off+n) zero, in steps. Under a limit each is paid for
// afterwards: only then is it known whether the disk had to write anything.
func (p *pipeline) zero(ctx context.Context, off, n int64) error {
	if err := p.begin(); err != nil {
		return err
	}
	step := int64(unlimitedZero)
	if p.throttle.rate > 0 {
		step = limitedZero
	}
	for ; n > 0; n -= step {
		step = min(step, n)
		if err := p.throttle.wait(ctx, 0); err != nil {
			return err
		}
		before := p.zeroWrites(0)
		if err := p.target.Zero(ctx, off, step); err != nil {
			return err
		}
		p.throttle.book(time.Now(), p.zeroWrites(step)-before)
		p.written.Add(step)
		off += step
	}
	return nil
}

// zeroWrites returns how many bytes of zeros the target has written so far; if
// it does not tell, n.
func (p *pipeline) zeroWrites(n int64) int64 {
	if t, ok := p.target.(interface{ ZeroWrites() int64 }); ok {
		return t.ZeroWrites()
	}
	return n
}

// undecided reports whether it is not known yet what disk this is.
func (p *pipeline) undecided() bool { return p.scan != nil && p.scan.sampling() }

// compared returns how far the disk has been compared with the image.
func (p *pipeline) compared() Check {
	if p.scan == nil || p.reuse == ReuseNever {
		return Check{}
	}
	c := p.scan.progress()
	c.Running = c.Running || !p.scan.foreign() && !p.cleared.Load()
	c.Bytes += p.zeroChecked.Load()
	c.Equal += p.zeroEqual.Load()
	return c
}
