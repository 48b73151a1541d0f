package blockset

import (
	"math/rand/v2"
	"testing"
)

// TestAgainstMap runs random operations on a set and on a map beside it.
func TestAgainstMap(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(300)
		s, want := New(n), map[int]bool{}
		for range 60 {
			lo := r.IntN(n + 1)
			hi := lo + r.IntN(n+1-lo)
			switch r.IntN(4) {
			case 0:
				s.AddRange(lo, hi)
				for i := lo; i < hi; i++ {
					want[i] = true
				}
			case 1:
				s.RemoveRange(lo, hi)
				for i := lo; i < hi; i++ {
					delete(want, i)
				}
			case 2:
				s.AddMissing(lo, hi, func(i int) bool {
					if want[i] {
						t.Fatalf("seed %d: asked about member %d", seed, i)
					}
					return i%3 == 0
				})
				for i := lo; i < hi; i++ {
					if i%3 == 0 {
						want[i] = true
					}
				}
			case 3:
				if lo < n {
					s.Add(lo)
					want[lo] = true
				}
				if hi < n {
					s.Remove(hi)
					delete(want, hi)
				}
			}
			check(t, seed, s, want)
		}
	}
}

func check(t *testing.T, seed uint64, s *Set, want map[int]bool) {
	t.Helper()
	if s.Count() != len(want) {
		t.Fatalf("seed %d: count %d, want %d", seed, s.Count(), len(want))
	}
	next, absent := s.Len(), s.Len()
	for i := s.Len() - 1; i >= 0; i-- {
		if want[i] {
			next = i
		} else {
			absent = i
		}
		if s.Has(i) != want[i] || s.Next(i) != next || s.NextAbsent(i) != absent {
			t.Fatalf("seed %d: at %d: has %v next %d absent %d, want %v %d %d",
				seed, i, s.Has(i), s.Next(i), s.NextAbsent(i), want[i], next, absent)
		}
	}
}
