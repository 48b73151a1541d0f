package fec

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// MB/s are of source bytes, on one core.

func BenchmarkEncode(b *testing.B) {
	for _, tt := range []struct{ k, size int }{{20, 1408}, {100, 1408}, {187, 1408}, {30, 8896}, {588, 448}} {
		b.Run(fmt.Sprintf("k=%d/size=%d", tt.k, tt.size), func(b *testing.B) {
			c := NewCoder()
			bl := newBlock(b, c, rand.New(rand.NewPCG(1, 0)), tt.k, tt.size)
			b.SetBytes(int64(tt.k * tt.size))
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Encode(bl.want[:tt.k], bl.want[tt.k:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReconstruct(b *testing.B) {
	for _, tt := range []struct{ k, size, lost int }{
		{187, 1408, 1}, {187, 1408, 10}, {187, 1408, 32}, {187, 1408, 64}, {20, 1408, 10}, {100, 1408, 10}, {30, 8896, 10}, {588, 448, 30},
	} {
		b.Run(fmt.Sprintf("k=%d/size=%d/lost=%d", tt.k, tt.size, tt.lost), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 0))
			c := NewCoder()
			bl := newBlock(b, c, rng, tt.k, tt.size)
			lost := repairPass(rng, tt.k, tt.lost)
			set := make(map[int]bool)
			for _, i := range lost {
				set[i] = true
			}
			bl.receive(rng, set)
			b.SetBytes(int64(tt.k * tt.size))
			b.ReportAllocs()
			for b.Loop() {
				for _, i := range lost {
					bl.got[i] = bl.got[i][:0]
				}
				if err := c.Reconstruct(bl.got, tt.k); err != nil {
					b.Fatal(err)
				}
			}
			if esis := bl.wrong(); len(esis) > 0 {
				b.Fatalf("wrong source symbols %v", esis)
			}
		})
	}
}

// repairPass loses n source symbols and all but n repair symbols.
func repairPass(rng *rand.Rand, k, n int) (lost []int) {
	lost = rng.Perm(k)[:n]
	for i := n; i < Repair; i++ {
		lost = append(lost, k+i)
	}
	return lost
}

func BenchmarkNewEncoder(b *testing.B) {
	c := NewCoder()
	b.ReportAllocs()
	for b.Loop() {
		clear(c.encoders)
		if _, err := c.encoder(187); err != nil {
			b.Fatal(err)
		}
	}
}
