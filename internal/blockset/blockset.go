// Package blockset is a set of block numbers: one bit a block, so that what
// a receiver of a 1 TB image lacks is 512 KiB, and runs of a million blocks
// are added, removed and skipped by the word.
package blockset

import "math/bits"

// Set holds numbers 0..Len()-1. The zero value is an empty set of length 0.
// It is not safe for concurrent use.
type Set struct {
	words []uint64
	n     int
}

// New returns an empty set of numbers below n.
func New(n int) *Set { return &Set{words: make([]uint64, (n+63)/64), n: n} }

// Len returns the bound given to New.
func (s *Set) Len() int { return s.n }

// Has reports whether i, 0..Len()-1, is in the set.
func (s *Set) Has(i int) bool { return s.words[i>>6]>>(i&63)&1 != 0 }

// Add adds i.
func (s *Set) Add(i int) { s.words[i>>6] |= 1 << (i & 63) }

// Remove removes i.
func (s *Set) Remove(i int) { s.words[i>>6] &^= 1 << (i & 63) }

// AddRange adds lo..hi-1.
func (s *Set) AddRange(lo, hi int) {
	for w, m := range masks(lo, hi) {
		s.words[w] |= m
	}
}

// RemoveRange removes lo..hi-1.
func (s *Set) RemoveRange(lo, hi int) {
	for w, m := range masks(lo, hi) {
		s.words[w] &^= m
	}
}

// masks yields each word that lo..hi-1 touches and which of its bits.
func masks(lo, hi int) func(yield func(int, uint64) bool) {
	return func(yield func(int, uint64) bool) {
		for lo < hi {
			w := lo >> 6
			end := min(hi, (w+1)<<6)
			m := ^uint64(0) >> (64 - (end - lo)) << (lo & 63)
			if !yield(w, m) {
				return
			}
			lo = end
		}
	}
}

// Next returns the least member that is ≥ i, or Len() if there is none.
func (s *Set) Next(i int) int { return s.scan(i, 0) }

// NextAbsent returns the least non-member that is ≥ i, or Len() if there is none.
func (s *Set) NextAbsent(i int) int { return s.scan(i, ^uint64(0)) }

func (s *Set) scan(i int, flip uint64) int {
	if i >= s.n {
		return s.n
	}
	w := i >> 6
	v := (s.words[w] ^ flip) >> (i & 63) << (i & 63)
	for v == 0 {
		if w++; w == len(s.words) {
			return s.n
		}
		v = s.words[w] ^ flip
	}
	return min(w<<6+bits.TrailingZeros64(v), s.n)
}

// Count returns the number of members.
func (s *Set) Count() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// AddMissing adds those of lo..hi-1 that are not yet members and for which ok
// holds; it asks ok about no others, so a run that is in already costs a word
// operation for 64 blocks.
func (s *Set) AddMissing(lo, hi int, ok func(i int) bool) {
	for w, m := range masks(lo, hi) {
		for m &^= s.words[w]; m != 0; m &= m - 1 {
			if i := w<<6 + bits.TrailingZeros64(m); ok(i) {
				s.words[w] |= 1 << (i & 63)
			}
		}
	}
}
