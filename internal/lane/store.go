package lane

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// A Store is what a server serves. Its methods are called by many goroutines.
type Store interface {
	// Manifest returns the manifest, nil while it is not known: then nothing
	// is served.
	Manifest() *image.Manifest
	// Has reports whether AppendFrame has block s, a data block or not.
	Has(s protocol.SBN) bool
	// AppendHave appends the set of the blocks that Has, of Manifest().Blocks()
	// numbers, in the form of blockset.Set.AppendBinary.
	AppendHave(b []byte) []byte
	// AppendFrame appends one zstd frame, of protocol.MaxFrame bytes at most,
	// that decodes to data block s.
	AppendFrame(dst []byte, s protocol.SBN) ([]byte, error)
}

// A PackedStore has the frames of the packed image, of all data blocks: it can
// serve ranges of them too.
type PackedStore interface {
	Store
	// PackedFrame fills p with what the frame of data block i, an index, has
	// from off on.
	PackedFrame(i, off int, p []byte) error
}

// errLacks says that a store has not got what a name stands for.
var errLacks = errors.New("not served here")

// content is what a name stands for, ready to be sent.
type content struct {
	*io.SectionReader
	blocks int
}

// open returns what st has under n; errLacks if nothing. Short things are made in
// buf's memory.
func open(st Store, n name, buf []byte) (content, error) {
	m := st.Manifest()
	if m == nil || m.ID() != n.id {
		return content{}, errLacks
	}
	switch n.kind {
	case manifestKind:
		return whole(m.Bytes(), 0), nil
	case haveKind:
		return whole(st.AppendHave(buf[:0]), 0), nil
	case blockKind:
		if _, data := m.Index(n.first); !data || !st.Has(n.first) {
			return content{}, errLacks
		}
		frame, err := st.AppendFrame(buf[:0], n.first)
		return whole(frame, 1), err
	}
	packed, ok := st.(PackedStore)
	if !ok || int64(n.last) >= int64(m.Blocks()) {
		return content{}, errLacks
	}
	r := newFrames(packed, n.first, n.last)
	return content{io.NewSectionReader(r, 0, r.starts[len(r.starts)-1]), len(r.starts) - 1}, nil
}

func whole(b []byte, blocks int) content {
	return content{io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), blocks}
}

// frames is the packed frames of a row of data blocks, one after the other.
type frames struct {
	store  PackedStore
	first  int     // index of the first
	starts []int64 // where each begins, and where the last ends
}

// newFrames returns the frames of the data blocks among first..last.
func newFrames(st PackedStore, first, last protocol.SBN) *frames {
	m := st.Manifest()
	from, to := indexes(m, first, last)
	f := &frames{store: st, first: from, starts: make([]int64, 1, to-from+1)}
	for i := from; i < to; i++ {
		f.starts = append(f.starts, f.starts[i-from]+int64(m.FrameLen(i)))
	}
	return f
}

// indexes returns the indexes, to excluded, of the data blocks among first..last.
func indexes(m *image.Manifest, first, last protocol.SBN) (from, to int) {
	from, _ = m.Index(first)
	to, data := m.Index(last)
	if data {
		to++
	}
	return from, to
}

// ReadAt implements io.ReaderAt.
func (f *frames) ReadAt(p []byte, off int64) (n int, err error) {
	i, exact := slices.BinarySearch(f.starts, off)
	if !exact {
		i--
	}
	for n < len(p) {
		if i >= len(f.starts)-1 {
			return n, io.EOF
		}
		at := off + int64(n)
		part := p[n:min(int64(len(p)), int64(n)+f.starts[i+1]-at)]
		if err := f.store.PackedFrame(f.first+i, int(at-f.starts[i]), part); err != nil {
			return n, fmt.Errorf("frame of data block %d: %w", f.first+i, err)
		}
		n += len(part)
		i++
	}
	return n, nil
}
