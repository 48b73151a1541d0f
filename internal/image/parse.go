package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pxecast/pxecast/protocol"
	"github.com/zeebo/blake3"
)

// Layout of the manifest, big-endian:
//
//	 0  4  "PXEM"
//	 4  2  version, 1
//	 6  2  reserved, 0
//	 8  8  raw size in bytes, 1..MaxRaw
//	16  4  block size in bytes, protocol.BlockSize
//	20  4  number of runs
//	24  4  number of data blocks
//	28     runs: 4 bytes each; top bit: zero run, low 31 bits: blocks, > 0;
//	       the kinds alternate
//	       data blocks: 36 bytes each; frame length (4), BLAKE3-256 (32) of the
//	       raw bytes of the block
const (
	manifestMagic   = "PXEM"
	manifestVersion = 1
	headerSize      = 28
	runSize         = 4
	entrySize       = 4 + 32
	zeroBit         = 1 << 31
)

// Limits of what a manifest may say, each checked by ParseManifest.
const (
	// MaxRaw bounds the image, in bytes: 16 TiB, so that block numbers and
	// bitmaps of them stay small.
	MaxRaw = protocol.MaxSBN * protocol.BlockSize

	// MaxManifest bounds the manifest, in bytes: 128 MiB describe about
	// 930 GiB of data and fit the memory of any machine that boots.
	MaxManifest = protocol.MaxManifest

	// minFrame is the shortest frame of a block: magic, descriptor, content
	// size, block header, one byte, checksum (RFC 8878 §3.1.1).
	minFrame = 4 + 1 + 1 + 3 + 1 + 4
)

// ErrManifest: the bytes are no manifest, or one that contradicts itself.
var ErrManifest = errors.New("bad manifest")

func badManifest(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrManifest, fmt.Sprintf(format, args...))
}

// ParseManifest checks every field and limit of a manifest. b is kept and must
// not be changed. Errors match [ErrManifest]. Its memory is bounded by a small
// multiple of len(b), whatever b says.
func ParseManifest(b []byte) (*Manifest, error) {
	if len(b) > MaxManifest {
		return nil, badManifest("%d bytes: at most %d are accepted", len(b), MaxManifest)
	}
	if len(b) < headerSize {
		return nil, badManifest("%d bytes are fewer than its header has", len(b))
	}
	if string(b[:4]) != manifestMagic {
		return nil, badManifest("it does not begin with %q", manifestMagic)
	}
	be := binary.BigEndian
	if v := be.Uint16(b[4:]); v != manifestVersion {
		return nil, badManifest("version %d: this pxecast reads version %d", v, manifestVersion)
	}
	if v := be.Uint16(b[6:]); v != 0 {
		return nil, badManifest("reserved field is %#x", v)
	}
	raw, size := be.Uint64(b[8:]), be.Uint32(b[16:])
	if raw == 0 || raw > MaxRaw {
		return nil, badManifest("raw size %d: want 1 to %d", raw, int64(MaxRaw))
	}
	if size != protocol.BlockSize {
		return nil, badManifest("block size %d: want %d", size, protocol.BlockSize)
	}
	runs, data := int64(be.Uint32(b[20:])), int64(be.Uint32(b[24:]))
	if want := headerSize + runs*runSize + data*entrySize; int64(len(b)) != want {
		return nil, badManifest("%d bytes: its header says %d", len(b), want)
	}
	if runs > 2*data+1 {
		return nil, badManifest("%d runs of %d data blocks cannot alternate", runs, data)
	}
	m := &Manifest{bytes: b, rawSize: int64(raw), data: int(data), id: blake3.Sum256(b)}
	m.entries = b[headerSize+runs*runSize:]
	if err := m.parseRuns(b[headerSize : headerSize+runs*runSize]); err != nil {
		return nil, err
	}
	frames, err := m.parseEntries()
	if err != nil {
		return nil, err
	}
	m.finish(frames)
	return m, nil
}

// parseRuns fills runs and before.
func (m *Manifest) parseRuns(b []byte) error {
	n := len(b) / runSize
	m.runs, m.before = make([]Run, n), make([]sums, n)
	var at, data int64
	for i := range n {
		h := binary.BigEndian.Uint32(b[i*runSize:])
		r := Run{Zero: h&zeroBit != 0, First: protocol.SBN(at), Blocks: h &^ zeroBit}
		if r.Blocks == 0 {
			return badManifest("run %d is empty", i)
		}
		if i > 0 && r.Zero == m.runs[i-1].Zero {
			return badManifest("runs %d and %d are of one kind", i-1, i)
		}
		m.runs[i] = r
		m.before[i].data = uint32(data)
		at += int64(r.Blocks)
		if at > int64(m.Blocks()) {
			return badManifest("run %d ends past the image", i)
		}
		if !r.Zero {
			data += int64(r.Blocks)
		}
	}
	if at != int64(m.Blocks()) {
		return badManifest("runs cover %d of %d blocks", at, m.Blocks())
	}
	if data != int64(m.data) {
		return badManifest("runs hold %d data blocks, its header says %d", data, m.data)
	}
	return nil
}

// parseEntries checks the frame lengths, fills stride and returns their sum.
func (m *Manifest) parseEntries() (total int64, err error) {
	m.stride = make([]int64, 0, (m.data+strideLen-1)/strideLen)
	for i := range m.data {
		if i%strideLen == 0 {
			m.stride = append(m.stride, total)
		}
		n := m.FrameLen(i)
		if n < minFrame || n > protocol.MaxFrame {
			return 0, badManifest("frame of data block %d has %d bytes: want %d to %d", i, n, minFrame, protocol.MaxFrame)
		}
		total += int64(n)
	}
	return total, nil
}

// finish derives what follows from the runs; frames is the sum of all frame
// lengths of data blocks.
func (m *Manifest) finish(frames int64) {
	var zero int64
	m.frames = m.data + 1
	for i, r := range m.runs {
		m.before[i].zeroBytes = zero
		if !r.Zero {
			continue
		}
		for n := range m.zeroFrames(r) {
			zero += zeroFrameLen(n)
			m.frames++
		}
	}
	m.packed = frames + zero + m.manifestFrame() + seekTableSize(m.frames)
}
