package blockset

import (
	"math/rand/v2"
	"testing"
)

func TestTwoSetsAgainstAModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for _, n := range []int{1, 63, 64, 65, 200, 1000} {
		for range 50 {
			a, b := New(n), New(n)
			for i := range n {
				if r.IntN(3) > 0 {
					b.Add(i)
				}
				if r.IntN(5) == 0 {
					a.Add(i)
				}
			}
			next := n
			for i := n; i >= 0; i-- {
				if i < n && a.Has(i) && !b.Has(i) {
					next = i
				}
				if got := a.NextOutside(i, b); got != next {
					t.Fatalf("of %d: the next from %d on is %d, want %d", n, i, got, next)
				}
			}
			sum := New(n)
			sum.AddAll(a)
			sum.AddAll(b)
			for i := range n {
				if sum.Has(i) != (a.Has(i) || b.Has(i)) {
					t.Fatalf("of %d: %d is %v in the union", n, i, sum.Has(i))
				}
			}
		}
	}
}
