package frame

import (
	"encoding/binary"
	"math/bits"
)

const (
	// tableBits: a table of 128 KiB stays in the second-level cache beside
	// the block and its frame.
	tableBits = 15

	// minMatch is the shortest match that is looked for, minRepeat that at
	// the offset of one before, which costs fewer bits.
	minMatch  = 6
	minRepeat = 4

	// An entry of the table: position in the low bits, tag above.
	posBits = 18
	posMask = 1<<posBits - 1
	tagBits = 32 - posBits

	// wide is how many bytes copies of literals and reads of matches go
	// beyond what they need.
	wide = 16

	// margin: no match begins in the last bytes of the content.
	margin = 16
)

// A sequence is lit literals, then a match (RFC 8878 §3.1.1.3.2).
type sequence struct {
	lit    uint32
	match  uint32
	offset uint32 // Offset_Value: 1 is the repeated offset, others are offset + 3
	codes  uint32 // see sequenceCoder.code
}

// hash returns the place in the table of the 6 low bytes of v, and their tag
// as it stands in an entry.
func hash(v uint64) (index, tag uint32) {
	const prime = 227718039650203 // that of zstd for 6 bytes
	h := v << 16 * prime
	return uint32(h >> (64 - tableBits)), uint32(h>>(64-tableBits-tagBits)) << posBits
}

// A window is the content of a frame with room behind it, so that a word can
// be read at every position of the content without the check of a slice.
type window [MaxRaw + wide]byte

func (w *window) load64(i uint32) uint64 {
	i &= posMask
	return binary.LittleEndian.Uint64(w[i : i+8])
}

func (w *window) load32(i uint32) uint32 {
	i &= posMask
	return binary.LittleEndian.Uint32(w[i : i+4])
}

// matchLen returns how many bytes from s and t < s on are equal, up to the end.
func matchLen(src *window, s, t, end uint32) uint32 {
	from := s
	for s+8 <= end {
		if x := src.load64(s) ^ src.load64(t); x != 0 {
			return s - from + uint32(bits.TrailingZeros64(x)>>3)
		}
		s, t = s+8, t+8
	}
	for s < end && src[s&posMask] == src[t&posMask] {
		s, t = s+1, t+1
	}
	return s - from
}

// find sets e.seqs and e.lits to those of src[from:], and e.rep.
//
// It is the fast strategy of zstd: two positions a step, of which each takes
// the place of what stood in the table, and the last offset tried between.
func (e *Encoder) find(src *window, from, to int) {
	e.seqs, e.nLits = e.seqs[:0], 0
	s, emitted, end := uint32(from), uint32(from), uint32(to)
	rep1, rep2 := e.rep[0], e.rep[1]
	if s == 0 {
		s = 1 // an empty entry means position 0
	}
	limit := int(end) - margin
	const skip = haste
	for int(s) < limit {
		v := src.load64(s)
		i0, t0 := hash(v)
		i1, t1 := hash(v >> 8)
		c0, c1 := e.table[i0], e.table[i1]
		e.table[i0] = s | t0
		e.table[i1] = (s + 1) | t1
		var t uint32
		if r := s + 2 - rep1; s+2 >= rep1 && src.load32(r) == uint32(v>>16) {
			s += 2
			n := minRepeat + matchLen(src, s+minRepeat, r+minRepeat, end)
			// One literal must stay: without, the offset would be another.
			for r > 0 && s > emitted+1 && src[(r-1)&posMask] == src[(s-1)&posMask] {
				r, s, n = r-1, s-1, n+1
			}
			e.take(src, emitted, s, n, 1)
			s += n
			emitted = s
			continue
		}
		if c0^t0 < 1<<posBits && (src.load64(c0&posMask)^v)<<16 == 0 {
			t = c0 & posMask
		} else if c1^t1 < 1<<posBits && (src.load64(c1&posMask)^src.load64(s+1))<<16 == 0 {
			t = c1 & posMask
			s++
		} else {
			s += 2 + (s-emitted)>>skip
			continue
		}
		n := minMatch + matchLen(src, s+minMatch, t+minMatch, end)
		for t > 0 && s > emitted && src[(t-1)&posMask] == src[(s-1)&posMask] {
			t, s, n = t-1, s-1, n+1
		}
		rep1, rep2 = s-t, rep1
		e.take(src, emitted, s, n, s-t+3)
		s += n
		emitted = s
		// Between two matches often lies one of the offset before.
		for int(s) < limit && s >= rep2 && src.load32(s) == src.load32(s-rep2) {
			n := minRepeat + matchLen(src, s+minRepeat, s+minRepeat-rep2, end)
			i, t := hash(src.load64(s))
			e.table[i] = s | t
			rep1, rep2 = rep2, rep1
			e.take(src, s, s, n, 1)
			s += n
			emitted = s
		}
	}
	e.literals(src, emitted, end)
	e.rep = [2]uint32{rep1, rep2}
}

// take notes the literals src[from:to] and a match of n bytes behind them.
func (e *Encoder) take(src *window, from, to, n, offset uint32) {
	e.literals(src, from, to)
	e.seqs = append(e.seqs, sequence{lit: to - from, match: n, offset: offset})
}

// literals copies src[from:to] to the literals.
func (e *Encoder) literals(src *window, from, to uint32) {
	n := int(to - from)
	if n <= wide {
		// Most are short: two words are faster than a call.
		d, s := e.lits[e.nLits:e.nLits+wide], src[from:from+wide]
		le := binary.LittleEndian
		le.PutUint64(d, le.Uint64(s))
		le.PutUint64(d[8:], le.Uint64(s[8:]))
	} else {
		copy(e.lits[e.nLits:], src[from:to])
	}
	e.nLits += n
}
