package image

import (
	"encoding/binary"

	"github.com/pxecast/pxecast/protocol"
)

// A Run is a sequence of blocks that are all data or all zero.
type Run struct {
	Zero   bool
	First  protocol.SBN
	Blocks uint32
}

// A Manifest describes an image: its size, which of its blocks are zero, and
// for each other block the length of its frame and the digest of its raw
// bytes. It does not change once it is parsed; all methods are safe for
// concurrent use.
//
// Data blocks are numbered twice: by SBN, their place on the disk, and by
// index, 0 ≤ i < DataBlocks, their place among the data blocks. Methods that
// take an index or SBN out of range panic like a slice.
type Manifest struct {
	bytes   []byte
	entries []byte // part of bytes: entrySize for each data block
	id      ID
	rawSize int64
	runs    []Run
	before  []sums  // for each run
	stride  []int64 // for data block i×strideLen: bytes of all data frames before
	data    int
	frames  int   // of all kinds, manifest's included
	packed  int64 // bytes of the packed image
}

// sums is what lies before a run.
type sums struct {
	data      uint32 // data blocks
	zeroBytes int64  // bytes of zero frames
}

// strideLen is how many frame lengths FrameOffset adds up at most: 8 bytes of
// index for 64 blocks, and one or two cache misses for a look-up.
const strideLen = 64

// Bytes returns the manifest as it is stored and sent. It must not be changed.
func (m *Manifest) Bytes() []byte { return m.bytes }

// ID returns the image ID.
func (m *Manifest) ID() ID { return m.id }

// RawSize returns the size of the image in bytes.
func (m *Manifest) RawSize() int64 { return m.rawSize }

// Blocks returns the number of blocks of the image, data and zero.
func (m *Manifest) Blocks() int { return protocol.Blocks(m.rawSize) }

// DataBlocks returns the number of blocks that are not zero.
func (m *Manifest) DataBlocks() int { return m.data }

// Runs returns the runs in disk order; kinds alternate. The slice must not be
// changed.
func (m *Manifest) Runs() []Run { return m.runs }

// SBN returns the block number of data block i.
func (m *Manifest) SBN(i int) protocol.SBN {
	_ = m.entries[i*entrySize] // panics like a slice
	r := m.runOfIndex(i)
	return m.runs[r].First + protocol.SBN(uint32(i)-m.before[r].data)
}

// runOfIndex returns the number of the data run that holds data block i.
func (m *Manifest) runOfIndex(i int) int {
	// The last run with before.data ≤ i is the data run itself: the zero run
	// before it has the same sum, the run after it a higher one.
	lo, hi := 0, len(m.runs)
	for lo+1 < hi {
		mid := int(uint(lo+hi) >> 1)
		if int(m.before[mid].data) <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// runOf returns the number of the run that holds s, or the last run.
func (m *Manifest) runOf(s protocol.SBN) int {
	lo, hi := 0, len(m.runs)
	for lo+1 < hi {
		mid := int(uint(lo+hi) >> 1)
		if m.runs[mid].First <= s {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// Index returns the index of the data block s. When s is a zero block or past
// the end, ok is false and i the index of the next data block, DataBlocks
// after the last.
func (m *Manifest) Index(s protocol.SBN) (i int, ok bool) {
	if int64(s) >= int64(m.Blocks()) {
		return m.data, false
	}
	r := m.runOf(s)
	i = int(m.before[r].data)
	if m.runs[r].Zero {
		return i, false
	}
	return i + int(s-m.runs[r].First), true
}

func (m *Manifest) entry(i int) []byte { return m.entries[i*entrySize : (i+1)*entrySize] }

// FrameLen returns the length in bytes of the frame of data block i.
func (m *Manifest) FrameLen(i int) int { return int(binary.BigEndian.Uint32(m.entry(i))) }

// Digest returns the digest of data block i.
func (m *Manifest) Digest(i int) Digest { return Digest(m.entry(i)[4:]) }

// RawLen returns the bytes of block s: BlockSize but for a short last block.
func (m *Manifest) RawLen(s protocol.SBN) int {
	return int(min(m.rawSize-int64(s)*protocol.BlockSize, protocol.BlockSize))
}

// FrameOffset returns where the frame of data block i lies in the packed image.
func (m *Manifest) FrameOffset(i int) int64 {
	off := m.stride[i/strideLen] + m.before[m.runOfIndex(i)].zeroBytes
	for j := i &^ (strideLen - 1); j < i; j++ {
		off += int64(m.FrameLen(j))
	}
	return off
}

// PackedSize returns the size in bytes of the packed image's file.
func (m *Manifest) PackedSize() int64 { return m.packed }

// dataBytes returns the bytes of everything before the manifest's frame.
func (m *Manifest) dataBytes() int64 {
	return m.packed - seekTableSize(m.frames) - m.manifestFrame()
}

// manifestFrame returns the bytes of the frame that holds the manifest.
func (m *Manifest) manifestFrame() int64 { return skippableHeader + int64(len(m.bytes)) }

// zeroFrames returns the raw length of each frame of zero run r.
func (m *Manifest) zeroFrames(r Run) func(yield func(raw int64) bool) {
	left := m.runBytes(r)
	return func(yield func(int64) bool) {
		for left > 0 {
			n := min(left, maxZeroFrame)
			if !yield(n) {
				return
			}
			left -= n
		}
	}
}

// runBytes returns the raw bytes of a run: the last one may end in a short block.
func (m *Manifest) runBytes(r Run) int64 {
	first := int64(r.First) * protocol.BlockSize
	return min(m.rawSize-first, int64(r.Blocks)*protocol.BlockSize)
}
