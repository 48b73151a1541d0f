// Package synthetic makes packed images of any size out of nothing but a seed:
// for measuring networks. They need neither a file nor the time to pack one,
// and are true in every other respect: frames that decode, digests that fit.
//
// An image repeats a few dozen different blocks, so that only these need be
// compressed and kept: a receiver has the same work with a block that came
// before.
package synthetic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/frame"
	"github.com/pxecast/pxecast/protocol"
)

// MaxSize is the largest image in bytes: what a manifest can describe.
const MaxSize = 900 << 30

// Content is what an image is filled with.
type Content int

const (
	// Disk is like a disk in use: an eighth of it zero, in runs, the rest of
	// blocks between text and noise that zstd halves on the whole.
	Disk Content = iota
	// Noise can't be compressed.
	Noise
)

var contents = []string{"disk", "noise"}

// String returns the content's name on the command line.
func (c Content) String() string { return contents[c] }

// ParseContent parses what String returns.
func ParseContent(s string) (Content, error) {
	for i, name := range contents {
		if s == name {
			return Content(i), nil
		}
	}
	return 0, fmt.Errorf("content %q: want disk or noise", s)
}

// patterns is how many different blocks an image has: 64 frames stay below what
// a sender's memory notices.
const patterns = 64

// Image is a packed image that is not stored anywhere. It is safe for
// concurrent use.
type Image struct {
	manifest *image.Manifest
	frames   [patterns][]byte
	last     []byte // of a short last block
}

// New returns an image of size bytes, the same for the same seed.
func New(size int64, content Content, seed uint64) (*Image, error) {
	if size <= 0 || size > MaxSize {
		return nil, fmt.Errorf("synthetic image of %d bytes: want 1 to %d", size, int64(MaxSize))
	}
	z := frame.NewEncoder() // as pack does: decoding costs what a send's does
	m := &Image{}
	entries := [patterns][]byte{}
	raw := make([]byte, protocol.BlockSize, frame.Room)
	for i := range patterns {
		fill(raw, content, i, seed)
		m.frames[i] = z.EncodeAll(raw, nil)
		entries[i] = entry(m.frames[i], raw)
	}
	short := raw[:0]
	if n := int(size % protocol.BlockSize); n > 0 {
		fill(raw, content, 0, seed)
		short = raw[:n]
		m.last = z.EncodeAll(short, nil)
	}
	var err error
	m.manifest, err = describe(size, content, entries[:], short, m.last)
	if err != nil {
		return nil, fmt.Errorf("synthetic image of %d bytes: %w", size, err)
	}
	return m, nil
}

// entry describes a data block in the manifest.
func entry(frame, raw []byte) []byte {
	d := image.Sum(raw)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), d[:]...)
}

// Every stretch of 64 blocks of a disk begins with 56 of data and ends with 8
// of zeros.
const (
	stretch = 64
	filled  = 56
)

// describe writes the manifest (SPEC.md §13).
func describe(size int64, content Content, entries [][]byte, short, last []byte) (*image.Manifest, error) {
	blocks := protocol.Blocks(size)
	var runs, data []byte
	count := 0
	run := func(n int, zero uint32) {
		if n > 0 {
			runs = binary.BigEndian.AppendUint32(runs, uint32(n)|zero)
			count++
		}
	}
	add := func(first, n int) {
		for i := first; i < first+n; i++ {
			if i == blocks-1 && len(short) > 0 {
				data = append(data, entry(last, short)...)
			} else {
				data = append(data, entries[i%patterns]...)
			}
		}
	}
	if content == Noise {
		run(blocks, 0)
		add(0, blocks)
	} else {
		for first := 0; first < blocks; first += stretch {
			n := min(filled, blocks-first)
			run(n, 0)
			add(first, n)
			run(min(stretch-filled, blocks-first-n), 1<<31)
		}
	}
	const entrySize = 36
	b := []byte{'P', 'X', 'E', 'M', 0, 1, 0, 0}
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	for _, x := range []int{protocol.BlockSize, count, len(data) / entrySize} {
		b = binary.BigEndian.AppendUint32(b, uint32(x))
	}
	return image.ParseManifest(append(append(b, runs...), data...))
}

// fill makes pattern i.
func fill(p []byte, content Content, i int, seed uint64) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(i))
	random := rand.NewChaCha8(key)
	if content == Noise {
		random.Read(p)
		return
	}
	r := rand.New(random)
	// From pattern to pattern the noise grows from nothing to nearly all.
	noise := float64(i*(i+patterns)) / (2 * patterns * patterns)
	for at := 0; at < len(p); {
		n := min(len(p)-at, 64+r.IntN(4096))
		if r.Float64() < noise {
			random.Read(p[at : at+n])
		} else {
			text(p[at:at+n], r)
		}
		at += n
	}
}

// text writes words of a small vocabulary, common ones often, as in language
// and in tables.
func text(p []byte, r *rand.Rand) {
	var word [8]byte
	for at := 0; at < len(p); {
		w := uint64(r.IntN(8) * r.IntN(8) * r.IntN(8)) // small ones are frequent
		binary.LittleEndian.PutUint64(word[:], w*0x9e3779b97f4a7c15)
		at += copy(p[at:], word[:5+w%4])
	}
}

// Manifest returns the image's manifest.
func (m *Image) Manifest() *image.Manifest { return m.manifest }

var errPart = errors.New("synthetic image: part beyond the frame")

// ReadFramePart fills p with what the frame of data block i has from off on.
func (m *Image) ReadFramePart(i, off int, p []byte) error {
	s := int(m.manifest.SBN(i))
	frame := m.frames[s%patterns]
	if s == m.manifest.Blocks()-1 && m.last != nil {
		frame = m.last
	}
	if off < 0 || len(p) > len(frame)-off {
		return errPart
	}
	copy(p, frame[off:])
	return nil
}

// Prefetch does nothing: all is in memory.
func (m *Image) Prefetch(int, int) {}
