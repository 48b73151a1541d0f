package blockset

import "math/bits"

// AddAll adds the members of o, which has the same length.
func (s *Set) AddAll(o *Set) {
	for i, w := range o.words {
		s.words[i] |= w
	}
}

// NextOutside returns the least member that is ≥ i and not a member of o, which
// has the same length, or Len() if there is none.
func (s *Set) NextOutside(i int, o *Set) int {
	if i >= s.n {
		return s.n
	}
	w := i >> 6
	v := (s.words[w] &^ o.words[w]) >> (i & 63) << (i & 63)
	for v == 0 {
		if w++; w == len(s.words) {
			return s.n
		}
		v = s.words[w] &^ o.words[w]
	}
	return w<<6 + bits.TrailingZeros64(v)
}
