package blockset

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// The serialised form of a set is one byte that says which of two forms follows,
// and of these the shorter; runs if they are of one length. So every set has
// exactly one.
const (
	runForm    = 0 // for each run: non-members before it, members; each a LEB128 varint, of the shortest form
	bitmapForm = 1 // ⌈Len/8⌉ bytes; number i is bit i mod 8, from the lowest, of byte i/8
)

// MaxBinary returns the most bytes that a set of numbers below n has when it is
// serialised.
func MaxBinary(n int) int { return 1 + (n+7)/8 }

// AppendBinary appends the serialised form of s, which does not hold Len.
func (s *Set) AppendBinary(b []byte) []byte {
	if s.runBytes() > (s.n+7)/8 {
		return s.appendBitmap(append(b, bitmapForm))
	}
	b = append(b, runForm)
	for at, r := range s.runs() {
		b = binary.AppendUvarint(b, uint64(r.lo-at))
		b = binary.AppendUvarint(b, uint64(r.hi-r.lo))
	}
	return b
}

// run is members lo..hi-1.
type run struct{ lo, hi int }

// runs yields each run of members with the end of the one before.
func (s *Set) runs() func(yield func(int, run) bool) {
	return func(yield func(int, run) bool) {
		at := 0
		for lo := s.Next(0); lo < s.n; lo = s.Next(at) {
			hi := s.NextAbsent(lo)
			if !yield(at, run{lo, hi}) {
				return
			}
			at = hi
		}
	}
}

// runBytes returns how long the run form is; it stops to count where the bitmap
// is shorter.
func (s *Set) runBytes() int {
	n := 0
	for at, r := range s.runs() {
		n += varintLen(r.lo-at) + varintLen(r.hi-r.lo)
		if n > (s.n+7)/8 {
			break
		}
	}
	return n
}

func varintLen(v int) int { return max(1, (bits.Len(uint(v))+6)/7) }

func (s *Set) appendBitmap(b []byte) []byte {
	end := len(b) + (s.n+7)/8
	for _, w := range s.words {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b[:end]
}

// ErrForm says that bytes are not the serialised form of a set of that length.
var ErrForm = errors.New("not a set of blocks in its serialised form")

// Parse returns the set of numbers below n that AppendBinary made b of. It
// allocates no more than n/8 bytes, and nothing if b is too long.
func Parse(b []byte, n int) (*Set, error) {
	if n < 0 || len(b) < 1 || len(b) > MaxBinary(n) {
		return nil, ErrForm
	}
	s := New(n)
	var ok bool
	switch b[0] {
	case runForm:
		ok = s.parseRuns(b[1:])
	case bitmapForm:
		ok = s.parseBitmap(b[1:]) && s.runBytes() > (n+7)/8
	}
	if !ok {
		return nil, ErrForm
	}
	return s, nil
}

// parseRuns adds the runs in b to an empty set.
func (s *Set) parseRuns(b []byte) bool {
	at := 0
	for len(b) > 0 {
		gap, n := varint(b)
		if n == 0 || gap > s.n-at || gap == 0 && at > 0 {
			return false
		}
		at, b = at+gap, b[n:]
		length, n := varint(b)
		if n == 0 || length > s.n-at || length == 0 {
			return false
		}
		s.AddRange(at, at+length)
		at, b = at+length, b[n:]
	}
	return true
}

// varint reads a varint of the shortest form; n is 0 if there is none.
func varint(b []byte) (v, n int) {
	u, n := binary.Uvarint(b)
	if n <= 0 || u > 1<<62 || n != varintLen(int(u)) {
		return 0, 0
	}
	return int(u), n
}

func (s *Set) parseBitmap(b []byte) bool {
	if len(b) != (s.n+7)/8 {
		return false
	}
	for i, v := range b {
		s.words[i>>3] |= uint64(v) << (i & 7 * 8)
	}
	if tail := s.n & 63; tail != 0 {
		return s.words[len(s.words)-1]>>tail == 0
	}
	return true
}
