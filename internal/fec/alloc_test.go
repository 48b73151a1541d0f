package fec

import (
	"math/rand/v2"
	"testing"
)

// The library itself makes slices of symbol headers: two for a block encoded,
// one for a block decoded over GF(2⁸), a few over GF(2¹⁶). Nothing else may be
// allocated, and nothing as large as the symbols.
func TestAllocationsPerBlock(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 0))
	for _, tt := range []struct {
		k, size             int
		encode, reconstruct float64
	}{{187, 1408, 2, 1}, {20, 1408, 2, 1}, {30, 8896, 2, 1}, {588, 448, 8, 8}} {
		c := NewCoder()
		b := newBlock(t, c, rng, tt.k, tt.size)
		lost := repairPass(rng, tt.k, 10)
		set := make(map[int]bool)
		for _, i := range lost {
			set[i] = true
		}
		b.receive(rng, set)
		encode := testing.AllocsPerRun(100, func() {
			if err := c.Encode(b.want[:tt.k], b.want[tt.k:]); err != nil {
				t.Fatal(err)
			}
		})
		reconstruct := testing.AllocsPerRun(100, func() {
			for _, i := range lost {
				b.got[i] = b.got[i][:0]
			}
			if err := c.Reconstruct(b.got, tt.k); err != nil {
				t.Fatal(err)
			}
		})
		if encode > tt.encode || reconstruct > tt.reconstruct {
			t.Errorf("k=%d size=%d: %v allocations to encode, want %v; %v to reconstruct, want %v", tt.k, tt.size, encode, tt.encode, reconstruct, tt.reconstruct)
		}
	}
}
