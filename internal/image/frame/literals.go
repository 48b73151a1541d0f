package frame

import (
	"github.com/klauspost/compress/huff0"
)

// Literals_Block_Type (RFC 8878 §3.1.1.3.1.1).
const (
	rawLiterals        = 0
	rleLiterals        = 1
	compressedLiterals = 2
	treelessLiterals   = 3
)

// appendLiterals appends the literals section. It fails when Huffman coding
// does.
func (e *Encoder) appendLiterals(dst []byte) (_ []byte, ok bool) {
	lits := e.lits[:e.nLits]
	var coded []byte
	var reused bool
	err := huff0.ErrIncompressible
	switch {
	case len(lits) >= 1024:
		coded, reused, err = huff0.Compress4X(lits, &e.huff)
	case len(lits) > 16:
		coded, reused, err = huff0.Compress1X(lits, &e.huff)
	}
	switch err {
	case nil:
		kind := compressedLiterals
		if reused {
			kind = treelessLiterals
		}
		e.huff.Reuse = huff0.ReusePolicyAllow
		return append(appendCodedHeader(dst, kind, len(lits), len(coded)), coded...), true
	case huff0.ErrUseRLE:
		return append(appendPlainHeader(dst, rleLiterals, len(lits)), lits[0]), true
	case huff0.ErrIncompressible:
		return append(appendPlainHeader(dst, rawLiterals, len(lits)), lits...), true
	}
	return dst, false
}

// appendPlainHeader appends the header of raw or RLE literals.
func appendPlainHeader(dst []byte, kind, size int) []byte {
	switch {
	case size < 1<<5:
		return append(dst, byte(kind|size<<3))
	case size < 1<<12:
		h := kind | 1<<2 | size<<4
		return append(dst, byte(h), byte(h>>8))
	}
	h := kind | 3<<2 | size<<4
	return append(dst, byte(h), byte(h>>8), byte(h>>16))
}

// appendCodedHeader appends the header of literals in Huffman codes: one
// stream below 1024 bytes, else four.
func appendCodedHeader(dst []byte, kind, size, coded int) []byte {
	format, width, n := 0, 10, 3
	switch {
	case size >= 1<<14:
		format, width, n = 3, 18, 5
	case size >= 1<<10:
		format, width, n = 2, 14, 4
	}
	h := uint64(kind | format<<2 | size<<4 | coded<<(4+width))
	for range n {
		dst = append(dst, byte(h))
		h >>= 8
	}
	return dst
}

// flat reports whether the bytes of p look evenly distributed, so that no code
// shortens them: two of a sample are equal hardly more often than by chance.
func flat(p []byte) bool {
	const sample = 2048
	if len(p) < 4*sample {
		return false
	}
	var count [256]uint32
	for i, step := 0, len(p)/sample; i < sample; i++ {
		count[p[i*step]]++
	}
	pairs := uint32(0)
	for _, n := range count {
		pairs += n * n
	}
	// By chance sample + sample²/256.
	const chance = sample + sample*sample/256
	return pairs < chance+chance/16
}
