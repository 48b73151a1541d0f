package synthetic

import (
	"testing"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// Every frame decodes to a block with the manifest's digest, whatever the size
// leaves at the end.
func TestFramesAreTrue(t *testing.T) {
	d := image.NewDecoder()
	for _, content := range []Content{Disk, Noise} {
		for _, size := range []int64{1, protocol.BlockSize, protocol.BlockSize + 1, 56 * protocol.BlockSize, 60*protocol.BlockSize - 7, 64*protocol.BlockSize + 5, 130 * protocol.BlockSize} {
			m, err := New(size, content, 1)
			if err != nil {
				t.Fatalf("%v of %d bytes: %v", content, size, err)
			}
			for i := range m.Manifest().DataBlocks() {
				s := m.Manifest().SBN(i)
				frame := make([]byte, m.Manifest().FrameLen(i))
				half := len(frame) / 2
				if err := m.ReadFramePart(i, 0, frame[:half]); err != nil {
					t.Fatal(err)
				}
				if err := m.ReadFramePart(i, half, frame[half:]); err != nil {
					t.Fatal(err)
				}
				raw, err := d.Decode(nil, frame, m.Manifest().RawLen(s))
				if err != nil || image.Sum(raw) != m.Manifest().Digest(i) {
					t.Fatalf("%v of %d bytes: block %d is not what the manifest says: %v", content, size, s, err)
				}
				if len(frame) > protocol.MaxFrame {
					t.Fatalf("frame of %d bytes", len(frame))
				}
			}
			if m.Manifest().DataBlocks() > 0 && m.ReadFramePart(0, 1, make([]byte, m.Manifest().FrameLen(0))) == nil {
				t.Error("a part beyond the frame was read")
			}
		}
	}
}

func TestContentIsAsPromised(t *testing.T) {
	for _, c := range []struct {
		content     Content
		least, most float64 // packed bytes of a raw byte that is not zero
		zero        float64 // share of the disk
	}{{Disk, 0.45, 0.55, 0.125}, {Noise, 1, 1.01, 0}} {
		m, err := New(1<<30, c.content, 7)
		if err != nil {
			t.Fatal(err)
		}
		man := m.Manifest()
		data := float64(man.DataBlocks()) * protocol.BlockSize
		if got := float64(man.PackedSize()) / data; got < c.least || got > c.most {
			t.Errorf("%v packs to %.3f, want %.2f to %.2f", c.content, got, c.least, c.most)
		}
		if got := 1 - data/(1<<30); got != c.zero {
			t.Errorf("%v is %.3f zeros, want %.3f", c.content, got, c.zero)
		}
	}
}

func TestSameSeedSameImage(t *testing.T) {
	id := func(seed uint64) image.ID {
		m, err := New(10<<20, Disk, seed)
		if err != nil {
			t.Fatal(err)
		}
		return m.Manifest().ID()
	}
	if first, again := id(1), id(1); first != again || first == id(2) {
		t.Error("the image does not follow from its seed")
	}
}

func TestSizesThatCannotBe(t *testing.T) {
	for _, size := range []int64{-1, 0, MaxSize + 1, protocol.MaxRaw} {
		if _, err := New(size, Noise, 1); err == nil {
			t.Errorf("made one of %d bytes", size)
		}
	}
}
