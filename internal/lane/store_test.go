package lane

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// made is a packed image whose frames are made up: every byte tells where it is.
type made struct {
	m *image.Manifest

	mu     sync.Mutex
	broken error // of the next reads
	reads  int
}

// newMade returns an image with a few zero blocks between data blocks of odd
// lengths.
func newMade(t testing.TB) *made {
	frames := []int{700, 14, 0, 0, 1408, 1469, 0, protocol.MaxFrame}
	for i := range 120 {
		frames = append(frames, 500+37*i)
	}
	return &made{m: imagetest.Manifest(t, append(frames, 0, 77)...)}
}

func (s *made) Manifest() *image.Manifest { return s.m }

func (s *made) ReadFramePart(i, off int, p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.broken != nil {
		return s.broken
	}
	if off < 0 || off+len(p) > s.m.FrameLen(i) {
		return errors.New("beyond the frame")
	}
	for j := range p {
		p[j] = madeByte(i, off+j)
	}
	return nil
}

func (s *made) breakWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// readings returns how often it was read.
func (s *made) readings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func madeByte(i, at int) byte { return byte(i*31 + at*7 + at>>8) }

// frame returns the frame of data block i.
func (s *made) frame(i int) []byte {
	b := make([]byte, s.m.FrameLen(i))
	for j := range b {
		b[j] = madeByte(i, j)
	}
	return b
}

// packed returns the frames of the data blocks among first..last.
func (s *made) packed(first, last protocol.SBN) (b []byte) {
	for sbn := first; sbn <= last; sbn++ {
		if i, data := s.m.Index(sbn); data {
			b = append(b, s.frame(i)...)
		}
	}
	return b
}

func TestRangesAreTheFramesOneAfterTheOther(t *testing.T) {
	s := newMade(t)
	st := NewPackedStore(s)
	blocks := protocol.SBN(s.m.Blocks())
	for first := range blocks {
		for last := first; last < min(blocks, first+MaxRange); last += 1 + last%7 {
			c, err := open(st, name{id: s.m.ID(), kind: blocksKind, first: first, last: last}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if want := s.packed(first, last); err != nil || !bytes.Equal(got, want) || c.Size() != int64(len(want)) {
				t.Fatalf("blocks %d-%d: %d bytes of size %d, %v; want %d", first, last, len(got), c.Size(), err, len(want))
			}
		}
	}
	c, err := open(st, name{id: s.m.ID(), kind: blocksKind, first: 0, last: 9}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(c, s.packed(0, 9)); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotThereIsNotServed(t *testing.T) {
	s := newMade(t)
	st := NewPackedStore(s)
	id, blocks := s.m.ID(), protocol.SBN(s.m.Blocks())
	other := id
	other[0]++
	for _, n := range []name{
		{id: other, kind: manifestKind},
		{id: other, kind: haveKind},
		{id: other, kind: blockKind},
		{id: other, kind: blocksKind},
		{id: id, kind: blockKind, first: 2}, // zero
		{id: id, kind: blockKind, first: blocks},
		{id: id, kind: blockKind, first: protocol.MaxSBN - 1},
		{id: id, kind: blocksKind, first: 0, last: blocks},
		{id: id, kind: blocksKind, first: blocks, last: blocks},
	} {
		if _, err := open(st, n, nil); !errors.Is(err, errLacks) {
			t.Errorf("%v: %v, want %v", n, err, errLacks)
		}
	}
	if _, err := open(newPeer(nil), name{id: id, kind: manifestKind}, nil); !errors.Is(err, errLacks) {
		t.Errorf("without a manifest: %v", err)
	}
	if _, err := open(newPeer(s), name{id: id, kind: blocksKind}, nil); !errors.Is(err, errLacks) {
		t.Errorf("a peer serves packed blocks: %v", err)
	}
}
