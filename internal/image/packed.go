// Package image turns disk images into packed images and reads them.
//
// A packed image is a plain zstd file: `zstd -dc lab.img.zst > disk` restores
// the disk with no help of pxecast. In disk order it holds
//
//   - one independent zstd frame for each 256 KiB block of data,
//   - for each run of zero blocks, frames of RLE blocks of up to 1 GiB each,
//   - a skippable frame with the [Manifest],
//   - a skippable frame with the seek table of zstd's seekable format.
//
// The manifest holds a digest of the raw bytes of every data block, and its
// own digest is the [ID] of the image: who knows the ID can verify everything.
package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ErrNotPacked: the file is no packed image of pxecast, though it may well be
// an image.
var ErrNotPacked = errors.New("not a packed image")

// A Packed is an open packed image. Its methods are safe for concurrent use.
type Packed struct {
	file *os.File
	name string
	m    *Manifest
}

// Open opens the packed image at path and checks that its seek table, its
// manifest and its size agree; [Packed.Verify] checks the rest. The error
// matches [ErrNotPacked] when there is no sign of a packed image.
func Open(path string) (*Packed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open packed image: %w", err)
	}
	p, err := openFile(f, path)
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// openFile is Open for an open file, which it takes over when it succeeds.
func openFile(f *os.File, name string) (*Packed, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open packed image: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", name, ErrNotPacked)
	}
	m, err := readManifest(f, st.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Packed{file: f, name: name, m: m}, nil
}

// readManifest finds, reads and checks the manifest of a packed image of size
// bytes. It allocates no more than the manifest's frame has in the file.
func readManifest(r io.ReaderAt, size int64) (*Manifest, error) {
	// From the end: the seek table's footer, its last entry, which is the
	// manifest's, and by their sizes the manifest.
	var tail [seekEntry + seekFooter]byte
	if size < int64(len(tail)) {
		return nil, ErrNotPacked
	}
	if _, err := r.ReadAt(tail[:], size-int64(len(tail))); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	frame, raw := int64(le.Uint32(tail[:])), le.Uint32(tail[4:])
	frames := int64(le.Uint32(tail[seekEntry:]))
	at := size - seekTableSize(int(frames)) - frame
	if le.Uint32(tail[seekEntry+5:]) != seekableFooter || raw != 0 || at < 0 ||
		frame < skippableHeader+headerSize || frame > skippableHeader+MaxManifest {
		return nil, ErrNotPacked
	}
	var head [skippableHeader + len(manifestMagic)]byte
	if _, err := r.ReadAt(head[:], at); err != nil {
		return nil, err
	}
	if le.Uint32(head[:]) != manifestFrame || string(head[skippableHeader:]) != manifestMagic {
		return nil, ErrNotPacked
	}
	b := make([]byte, frame-skippableHeader)
	if _, err := r.ReadAt(b, at+skippableHeader); err != nil {
		return nil, err
	}
	m, err := ParseManifest(b)
	if err == nil && m.PackedSize() != size {
		err = fmt.Errorf("it has %d bytes, its manifest says %d", size, m.PackedSize())
	}
	if err == nil {
		err = checkTail(r, m)
	}
	if err != nil {
		return nil, fmt.Errorf("packed image is damaged: %w: copy it again", err)
	}
	return m, nil
}

// Manifest returns the manifest of the image.
func (p *Packed) Manifest() *Manifest { return p.m }

// Name returns the path it was opened by, or what it was packed from when it
// has no path.
func (p *Packed) Name() string { return p.name }

// ReadFrame reads the frame of data block i into buf's memory, which it
// overwrites; it allocates only when buf's capacity is too small
// (protocol.MaxFrame always suffices). The frame is not verified.
func (p *Packed) ReadFrame(i int, buf []byte) ([]byte, error) {
	n := p.m.FrameLen(i)
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if _, err := p.file.ReadAt(buf, p.m.FrameOffset(i)); err != nil {
		return nil, fmt.Errorf("read packed image %s: %w", p.name, err)
	}
	return buf, nil
}

// ReadFramePart fills b with what the frame of data block i has from off on. It
// allocates nothing. A part beyond the frame's end is an error.
func (p *Packed) ReadFramePart(i, off int, b []byte) error {
	if off < 0 || len(b) > p.m.FrameLen(i)-off {
		return fmt.Errorf("read packed image %s: bytes %d to %d of a frame of %d", p.name, off, off+len(b), p.m.FrameLen(i))
	}
	if _, err := p.file.ReadAt(b, p.m.FrameOffset(i)+int64(off)); err != nil {
		return fmt.Errorf("read packed image %s: %w", p.name, err)
	}
	return nil
}

// Prefetch asks the kernel to read the frames of n data blocks from i on into
// its cache. It does not wait, and nothing depends on it.
func (p *Packed) Prefetch(i, n int) {
	end := min(i+n, p.m.DataBlocks())
	if i < 0 || i >= end {
		return
	}
	from := p.m.FrameOffset(i)
	to := p.m.FrameOffset(end-1) + int64(p.m.FrameLen(end-1))
	unix.Fadvise(int(p.file.Fd()), from, to-from, unix.FADV_WILLNEED)
}

// Dup returns the same packed image, to be closed by itself. It is good for
// files that have no name any more.
func (p *Packed) Dup() (*Packed, error) {
	fd, err := unix.FcntlInt(p.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open %s again: %w", p.name, err)
	}
	return &Packed{file: os.NewFile(uintptr(fd), p.name), name: p.name, m: p.m}, nil
}

// Close closes the file.
func (p *Packed) Close() error { return p.file.Close() }
