package frame

import (
	"encoding/binary"
	"math/bits"
)

// A sequenceCoder encodes the sequences of one part (RFC 8878 §3.1.1.3.2).
type sequenceCoder struct {
	lit, match, offset table
	bits               [maxSequences*maxSequence + 8]byte // of stream
}

const (
	// maxSequences is the most sequences of a part.
	maxSequences = maxPart / minRepeat

	// maxSequence is the most bytes of one in the bit stream: states of 9, 9
	// and 8 bits, then up to 16, 16 and 18 bits.
	maxSequence = 10
)

// Codes of literal and match lengths below what one bit more each step covers
// (RFC 8878 §3.1.1.3.2.1.1), and the bits that follow each code.
var (
	litCodes   [64]byte
	matchCodes [128]byte // of the length - 3
	litBits    = [64]byte{16: 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	matchBits  = [64]byte{32: 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
)

func init() {
	fill := func(codes []byte, extra []byte) {
		at := 0
		for code := 0; at < len(codes); code++ {
			for range 1 << extra[code] {
				if at < len(codes) {
					codes[at] = byte(code)
					at++
				}
			}
		}
	}
	fill(litCodes[:], litBits[:])
	fill(matchCodes[:], matchBits[:])
}

// code returns the codes of s, and keeps them in its codes, one a byte.
func code(s *sequence) (lit, match, offset uint32) {
	if s.lit < uint32(len(litCodes)) {
		lit = uint32(litCodes[s.lit])
	} else {
		lit = uint32(bits.Len32(s.lit)) + 18
	}
	if m := s.match - 3; m < uint32(len(matchCodes)) {
		match = uint32(matchCodes[m])
	} else {
		match = uint32(bits.Len32(m)) + 35
	}
	offset = uint32(bits.Len32(s.offset)) - 1
	s.codes = lit | match<<8 | offset<<16
	return lit, match, offset
}

// append appends the sequences section.
func (c *sequenceCoder) append(dst []byte, seqs []sequence) []byte {
	n := len(seqs)
	dst = appendCount(dst, n)
	if n == 0 {
		return dst
	}
	c.lit.reset()
	c.match.reset()
	c.offset.reset()
	for i := range seqs {
		l, m, o := code(&seqs[i])
		c.lit.count[l&63]++
		c.match.count[m&63]++
		c.offset.count[o&63]++
	}
	modes := len(dst)
	dst = append(dst, 0)
	var l, o, m int
	dst, l = c.lit.choose(dst, n, 9, litDefault[:], 6)
	dst, o = c.offset.choose(dst, n, 8, offsetDefault[:], 5)
	dst, m = c.match.choose(dst, n, 9, matchDefault[:], 6)
	dst[modes] = byte(l<<6 | o<<4 | m<<2)
	return append(dst, c.stream(seqs)...)
}

// appendCount appends the number of sequences.
func appendCount(dst []byte, n int) []byte {
	switch {
	case n < 128:
		return append(dst, byte(n))
	case n < 0x7f00:
		return append(dst, byte(n>>8)+128, byte(n))
	}
	return append(dst, 255, byte(n-0x7f00), byte((n-0x7f00)>>8))
}

// bitWriter collects bits, the first in the lowest place. It is passed by
// value so that it stays in registers.
type bitWriter struct {
	acc uint64
	n   uint // bits in acc
	at  int  // bytes written
}

// add adds the k low bits of v. 63 bits have room, of which a flush leaves
// less than 8.
func (w bitWriter) add(v uint32, k uint) bitWriter {
	w.acc |= uint64(v&(1<<(k&31)-1)) << (w.n & 63)
	w.n += k
	return w
}

// flush writes the whole bytes, and something into those up to the eighth.
func (w bitWriter) flush(out []byte) bitWriter {
	binary.LittleEndian.PutUint64(out[w.at:], w.acc)
	w.at += int(w.n >> 3)
	w.acc >>= w.n & 56
	w.n &= 7
	return w
}

// stream returns the bit stream, which is written from the last sequence to
// the first and read backwards. It is valid until the next.
func (c *sequenceCoder) stream(seqs []sequence) []byte {
	out := c.bits[:]
	var w bitWriter
	last := len(seqs) - 1
	codes := seqs[last].codes
	lit := c.lit.begin(codes & 63)
	match := c.match.begin(codes >> 8 & 63)
	offset := c.offset.begin(codes >> 16 & 63)
	for i := last; ; i-- {
		q := &seqs[i]
		lc, mc, oc := q.codes&63, q.codes>>8&63, q.codes>>16&63
		if i != last {
			w, offset = c.offset.next(w, offset, oc)
			w, match = c.match.next(w, match, mc)
			w, lit = c.lit.next(w, lit, lc)
		}
		w = w.add(q.lit, uint(litBits[lc]))
		if w.n > 63-16-18 {
			w = w.flush(out)
		}
		w = w.add(q.match-3, uint(matchBits[mc])).add(q.offset, uint(oc)).flush(out)
		if i == 0 {
			break
		}
	}
	w = w.add(match, uint(c.match.log)).add(offset, uint(c.offset.log)).add(lit, uint(c.lit.log))
	w = w.add(1, 1).flush(out) // the reader begins below the highest bit
	if w.n > 0 {
		w.at++
	}
	return out[:w.at]
}
