package image

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/protocol"
)

// golden is the manifest of an image of four blocks and a byte: data, two zero
// blocks, data, and a data block of one byte.
const golden = "5058454d" + "0001" + "0000" + // "PXEM", version, reserved
	"0000000000100001" + "00040000" + // 4×256 KiB + 1, block size
	"00000003" + "00000003" + // 3 runs, 3 data blocks
	"00000001" + "80000002" + "00000002" + // 1 data, 2 zero, 2 data
	"00040013" + "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
	"00001000" + "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f" +
	"0000000e" + "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f"

const goldenID = "1f1dcf1d2f892ef83c8e83a998525c96fd2d924560942d9dedb5d4d2d2a884de"

func goldenBytes(t testing.TB) []byte {
	b, err := hex.DecodeString(golden)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestManifestGolden(t *testing.T) {
	b := goldenBytes(t)
	m, err := ParseManifest(b)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.ID().String(); got != goldenID {
		t.Errorf("ID %s, want %s", got, goldenID)
	}
	var bld builder
	digest := func(from byte) (d Digest) {
		for i := range d {
			d[i] = from + byte(i)
		}
		return d
	}
	bld.addData(0x40013, digest(0))
	bld.addZero(1)
	bld.addZero(1)
	bld.addData(0x1000, digest(0x20))
	bld.addData(14, digest(0x40))
	if again, err := bld.manifest(4*blockSize + 1); err != nil || !bytes.Equal(again.Bytes(), b) {
		t.Errorf("built (%v)\n%x, want\n%x", err, again.Bytes(), b)
	}
	if m.SBN(1) != 3 || m.FrameLen(1) != 0x1000 || m.Digest(1) != digest(0x20) || m.RawLen(4) != 1 || m.RawLen(3) != blockSize {
		t.Error("fields of data block 1 or lengths are wrong")
	}
	// Two zero blocks are 512 KiB: a frame of 14 bytes and 4 RLE blocks of 4.
	if got, want := m.FrameOffset(1), int64(0x40013+14+16); got != want {
		t.Errorf("FrameOffset(1) = %d, want %d", got, want)
	}
	frames := int64(0x40013 + 30 + 0x1000 + 14)
	if got, want := m.PackedSize(), frames+8+int64(len(b))+8+5*8+9; got != want {
		t.Errorf("PackedSize = %d, want %d", got, want)
	}
}

func TestManifestTruncatedAtEveryByte(t *testing.T) {
	b := goldenBytes(t)
	for n := range b {
		if _, err := ParseManifest(b[:n]); !errors.Is(err, ErrManifest) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := ParseManifest(append(b, 0)); !errors.Is(err, ErrManifest) {
		t.Errorf("one byte more: %v", err)
	}
}

func TestManifestThatLies(t *testing.T) {
	put16 := func(at int, v uint16) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint16(b[at:], v); return b }
	}
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint32(b[at:], v); return b }
	}
	put64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.BigEndian.PutUint64(b[at:], v); return b }
	}
	for _, c := range []struct {
		name, want string
		lie        func([]byte) []byte
	}{
		{"magic", "begin", put32(0, 1)},
		{"newer version", "version 2", put16(4, 2)},
		{"reserved", "reserved", put16(6, 1)},
		{"no bytes", "raw size 0", put64(8, 0)},
		{"17 TiB", "raw size", put64(8, 17<<40)},
		{"negative size", "raw size", put64(8, 1<<63)},
		{"other block size", "block size", put32(16, 1<<20)},
		{"more runs than bytes", "header says", put32(20, 4)},
		{"four thousand million data blocks", "header says", put32(24, 1<<32-1)},
		{"image one block larger", "cover 5 of 6", put64(8, 5*blockSize+1)},
		{"image one block smaller", "past the image", put64(8, 3*blockSize+1)},
		{"empty run", "empty", put32(28, 0)},
		{"empty zero run", "empty", put32(32, zeroBit)},
		{"same kinds", "one kind", put32(32, 2)},
		{"run past the end", "past the image", put32(36, 3)},
		{"run of 2³¹ blocks", "past the image", put32(28, zeroBit-1)},
		{"zeros for data", "data blocks", func(b []byte) []byte {
			for _, at := range []int{28, 32, 36} {
				b[at] ^= 0x80
			}
			return b
		}},
		{"frame longer than any", "frame", put32(40, protocol.MaxFrame+1)},
		{"frame of nothing", "frame", put32(40, 0)},
		{"frame shorter than any", "frame", put32(40, minFrame-1)},
		{"runs only", "alternate", func([]byte) []byte {
			b := goldenBytes(t)[:headerSize]
			put32(20, 1<<20)(b)
			put32(24, 0)(b)
			return append(b, bytes.Repeat([]byte{0x80, 0, 0, 1}, 1<<20)...)
		}},
	} {
		_, err := ParseManifest(c.lie(goldenBytes(t)))
		if !errors.Is(err, ErrManifest) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

// Every accessor agrees with a plain list of blocks.
func TestManifestAgreesWithList(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		var b builder
		var lens []int // by block, 0: zero
		for range 1 + r.IntN(40) {
			if r.IntN(2) == 0 {
				n := 1 + r.IntN(10)
				if r.IntN(4) == 0 {
					n = 4096*r.IntN(4) + r.IntN(3) + 1 // around 1 GiB: several frames
				}
				b.addZero(uint32(n))
				lens = append(lens, make([]int, n)...)
				continue
			}
			for range 1 + r.IntN(200) {
				n := minFrame + r.IntN(protocol.MaxFrame-minFrame+1)
				if err := b.addData(n, Digest{byte(n)}); err != nil {
					t.Fatal(err)
				}
				lens = append(lens, n)
			}
		}
		last := 1 + r.IntN(blockSize)
		m, err := b.manifest(int64(len(lens)-1)*blockSize + int64(last))
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		checkList(t, seed, m, lens, last)
	}
}

func checkList(t *testing.T, seed uint64, m *Manifest, lens []int, last int) {
	i, off := 0, int64(0)
	var zeroRun int64
	flush := func() {
		for ; zeroRun > 0; zeroRun -= min(zeroRun, 1<<30) {
			off += int64(len(appendZeroFrame(nil, min(zeroRun, 1<<30))))
		}
	}
	for s, n := range lens {
		raw := blockSize
		if s == len(lens)-1 {
			raw = last
		}
		if got := m.RawLen(protocol.SBN(s)); got != raw {
			t.Fatalf("seed %d: RawLen(%d) = %d, want %d", seed, s, got, raw)
		}
		gi, ok := m.Index(protocol.SBN(s))
		if gi != i || ok != (n > 0) {
			t.Fatalf("seed %d: Index(%d) = %d, %v; want %d", seed, s, gi, ok, i)
		}
		if n == 0 {
			zeroRun += int64(raw)
			continue
		}
		flush()
		if m.SBN(i) != protocol.SBN(s) || m.FrameLen(i) != n || m.FrameOffset(i) != off {
			t.Fatalf("seed %d: data block %d: SBN %d, length %d, offset %d; want %d, %d, %d",
				seed, i, m.SBN(i), m.FrameLen(i), m.FrameOffset(i), s, n, off)
		}
		off += int64(n)
		i++
	}
	flush()
	if m.dataBytes() != off || m.DataBlocks() != i || m.Blocks() != len(lens) {
		t.Fatalf("seed %d: totals %d %d %d, want %d %d %d", seed, m.dataBytes(), m.DataBlocks(), m.Blocks(), off, i, len(lens))
	}
	if gi, ok := m.Index(protocol.SBN(len(lens))); ok || gi != i {
		t.Fatalf("seed %d: Index past the end = %d, %v", seed, gi, ok)
	}
}

func TestManifestLookupsDoNotAllocate(t *testing.T) {
	m, err := ParseManifest(goldenBytes(t))
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() {
		i, _ := m.Index(3)
		_, _, _, _ = m.SBN(i), m.FrameOffset(i), m.Digest(i), m.FrameLen(i)
	}); n != 0 {
		t.Errorf("%v allocations per look-up", n)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(goldenBytes(f))
	f.Add(goldenBytes(f)[:headerSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseManifest(b)
		if err != nil {
			if !errors.Is(err, ErrManifest) {
				t.Fatalf("error %v is not ErrManifest", err)
			}
			return
		}
		var again builder
		for _, r := range m.Runs() {
			if r.Zero {
				again.addZero(r.Blocks)
				continue
			}
			for s := r.First; s < r.First+protocol.SBN(r.Blocks); s++ {
				i, ok := m.Index(s)
				if !ok || m.SBN(i) != s {
					t.Fatalf("Index(%d) = %d, %v, and back %d", s, i, ok, m.SBN(i))
				}
				again.addData(m.FrameLen(i), m.Digest(i))
			}
		}
		if m2, err := again.manifest(m.RawSize()); err != nil || !bytes.Equal(m2.Bytes(), b) {
			t.Fatalf("built again (%v): other bytes", err)
		}
	})
}
