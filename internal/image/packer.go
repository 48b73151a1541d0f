package image

import (
	"bufio"
	"fmt"
	"io"
)

// A packer writes a packed image block by block, in disk order.
type packer struct {
	w       *bufio.Writer
	b       builder
	raw     int64  // bytes of the image so far
	written int64  // bytes of the packed image so far
	pending int64  // zero bytes not written yet: their run may go on
	full    []byte // the frame of maxZeroFrame zeros, made when first needed
	scratch []byte
}

func newPacker(w io.Writer) *packer {
	return &packer{w: bufio.NewWriterSize(w, gather)}
}

// gather is up to which size writes are gathered: most frames of data are
// larger and not worth a copy.
const gather = 32 << 10

// zeros appends n zero bytes: whole blocks, but at the end of the image.
func (p *packer) zeros(n int64) error {
	p.raw += n
	p.b.addZero(uint32((n + blockSize - 1) / blockSize))
	for p.pending += n; p.pending > maxZeroFrame; p.pending -= maxZeroFrame {
		if p.full == nil {
			p.full = appendZeroFrame(nil, maxZeroFrame)
		}
		if err := p.write(p.full); err != nil {
			return err
		}
	}
	return nil
}

// block appends a data block of rawLen bytes: BlockSize, but at the end.
func (p *packer) block(frame []byte, d Digest, rawLen int) error {
	if err := p.flushZeros(); err != nil {
		return err
	}
	p.raw += int64(rawLen)
	if err := p.b.addData(len(frame), d); err != nil {
		return err
	}
	return p.write(frame)
}

func (p *packer) flushZeros() error {
	if p.pending == 0 {
		return nil
	}
	p.scratch = appendZeroFrame(p.scratch[:0], p.pending)
	p.pending = 0
	return p.write(p.scratch)
}

func (p *packer) write(b []byte) error {
	n, err := p.w.Write(b)
	p.written += int64(n)
	return err
}

// finish writes the manifest and the seek table.
func (p *packer) finish() (*Manifest, error) {
	if err := p.flushZeros(); err != nil {
		return nil, err
	}
	m, err := p.b.manifest(p.raw)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	if m.dataBytes() != p.written {
		return nil, fmt.Errorf("packed %d bytes of frames, the manifest says %d: this is a fault of pxecast, please report it", p.written, m.dataBytes())
	}
	if err := writeTail(p.w, m); err != nil {
		return nil, err
	}
	p.written = m.PackedSize()
	return m, nil
}
