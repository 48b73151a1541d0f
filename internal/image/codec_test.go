package image

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pxecast/pxecast/protocol"
)

func testBlocks() [][]byte {
	disk := diskLike(5, 24*blockSize)
	blocks := [][]byte{{7}, noise(1, 511), noise(2, blockSize), bytes.Repeat([]byte("ab"), blockSize/2), bytes.Repeat([]byte{9}, blockSize)}
	for at := 0; at < len(disk); at += blockSize {
		blocks = append(blocks, disk[at:at+blockSize], disk[at:at+1+at%70000])
	}
	return blocks
}

// The frame of a block depends on nothing the encoder did before: otherwise
// the image ID would change with the number of cores.
func TestEncoderHasNoMemory(t *testing.T) {
	for l := range levels {
		blocks := testBlocks()
		want := make([][]byte, len(blocks))
		for i, b := range blocks {
			fresh, err := newEncoder(Level(l))
			if err != nil {
				t.Fatal(err)
			}
			want[i] = fresh.EncodeAll(b, nil)
			if len(want[i]) > protocol.MaxFrame || len(want[i]) < minFrame {
				t.Fatalf("frame of %d bytes", len(want[i]))
			}
		}
		used, _ := newEncoder(Level(l))
		r := rand.New(rand.NewPCG(3, uint64(l)))
		small := noise(8, 600)
		// More than 2³¹ of the encoder's positions, where it clears its tables.
		for n := range 9000 {
			used.EncodeAll(small, nil)
			if n%100 == 0 {
				i := r.IntN(len(blocks))
				if !bytes.Equal(used.EncodeAll(blocks[i], nil), want[i]) {
					t.Fatalf("level %v: block %d has another frame after %d calls", Level(l), i, n)
				}
			}
		}
	}
}

func TestDecoderAcceptsOnlyTheBlock(t *testing.T) {
	enc, _ := newEncoder(Default)
	raw := diskLike(1, blockSize)
	frame := enc.EncodeAll(raw, nil)
	d := NewDecoder()
	if out, err := d.Decode(nil, frame, blockSize); err != nil || !bytes.Equal(out, raw) {
		t.Fatalf("decode: %v", err)
	}
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'}
	half := enc.EncodeAll(raw[:blockSize/2], nil)
	big, _ := zstd.NewWriter(nil)
	windowed, _ := zstd.NewWriter(nil, zstd.WithSingleSegment(false), zstd.WithWindowSize(1<<20))
	noSum, _ := zstd.NewWriter(nil, zstd.WithEncoderCRC(false))
	for _, c := range []struct {
		name  string
		frame []byte
		raw   int
	}{
		{"one byte fewer", frame, blockSize - 1},
		{"no block", frame, blockSize + 1},
		{"no bytes", frame, 0},
		{"negative", frame, -1},
		{"two frames", append(bytes.Clone(half), enc.EncodeAll(raw[blockSize/2:], nil)...), blockSize},
		{"frame and skippable frame", append(bytes.Clone(frame), skippable...), blockSize},
		{"skippable frame and frame", append(bytes.Clone(skippable), frame...), blockSize},
		{"bomb", big.EncodeAll(make([]byte, 64<<20), nil), blockSize},
		{"window", windowed.EncodeAll(make([]byte, blockSize), nil), blockSize},
		{"no checksum", noSum.EncodeAll(raw, nil), blockSize},
		{"empty", nil, 1},
	} {
		if out, err := d.Decode(nil, c.frame, c.raw); err == nil {
			t.Errorf("%s: decoded to %d bytes", c.name, len(out))
		}
	}
	for n := range frame {
		if n < 600 || n > len(frame)-600 {
			if _, err := d.Decode(nil, frame[:n], blockSize); err == nil {
				t.Errorf("frame cut to %d of %d bytes was decoded", n, len(frame))
			}
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	enc, _ := newEncoder(Default)
	d := NewDecoder()
	dst := make([]byte, blockSize)
	for name, raw := range map[string][]byte{"disk": diskLike(1, blockSize), "noise": noise(1, blockSize), "short": []byte("x")} {
		frame := enc.EncodeAll(raw, nil)
		if n := testing.AllocsPerRun(50, func() {
			if _, err := d.Decode(dst, frame, len(raw)); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	p := noise(4, blockSize)
	if n := testing.AllocsPerRun(50, func() { Sum(p) }); n != 0 {
		t.Errorf("Sum: %v allocations", n)
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	enc, _ := newEncoder(Default)
	raw, frame := diskLike(2, blockSize), make([]byte, 0, protocol.MaxFrame)
	if n := testing.AllocsPerRun(50, func() { enc.EncodeAll(raw, frame) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	enc, _ := newEncoder(Default)
	for _, b := range [][]byte{{7}, noise(1, 511), make([]byte, blockSize), diskLike(3, 2000)} {
		f.Add(enc.EncodeAll(b, nil), len(b))
	}
	d := NewDecoder()
	f.Fuzz(func(t *testing.T, frame []byte, rawLen int) {
		out, err := d.Decode(nil, frame, rawLen)
		if err == nil && len(out) != rawLen {
			t.Fatalf("%d bytes instead of %d", len(out), rawLen)
		}
	})
}

func TestAllZero(t *testing.T) {
	b := make([]byte, blockSize)
	for _, n := range []int{0, 1, 4095, 4096, 4097, blockSize} {
		if !IsZero(b[:n]) {
			t.Errorf("%d zeros are not zero", n)
		}
		for _, at := range []int{0, n / 2, n - 1} {
			if n == 0 {
				continue
			}
			b[at] = 1
			if IsZero(b[:n]) {
				t.Errorf("a one at %d of %d was missed", at, n)
			}
			b[at] = 0
		}
	}
}
