package frame

import (
	"math/rand/v2"
	"testing"
)

// A distribution has the size of its table, and no code that occurs has none.
func TestNormalize(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for trial := range 20_000 {
		var c table
		n, symbols := 0, 2+r.IntN(52)
		for s := range symbols {
			if c.count[s] = uint32(r.IntN(1 + 1<<r.IntN(15))); s == symbols-1 {
				c.count[s]++
			}
			n += int(c.count[s])
		}
		if n < 64 || n == int(c.count[symbols-1]) {
			continue
		}
		c.log = 6 + uint32(trial%4)
		c.normalize(symbols, n)
		sum := 0
		for s, p := range c.norm[:symbols] {
			if (p > 0) != (c.count[s] > 0) {
				t.Fatalf("%v becomes %v", c.count[:symbols], c.norm[:symbols])
			}
			sum += int(p)
		}
		if sum != 1<<c.log {
			t.Fatalf("sum %d instead of %d", sum, 1<<c.log)
		}
	}
}

// Every length and offset has the code from whose range it is (RFC 8878
// §3.1.1.3.2.1.1).
func TestCodes(t *testing.T) {
	base := func(bits []byte, code uint32) (n uint32) {
		for _, k := range bits[:code] {
			n += 1 << k
		}
		return n
	}
	for n := uint32(0); n <= maxPart; n++ {
		l, m, o := code(&sequence{lit: n, match: n + 3, offset: n + 1})
		if b := base(litBits[:], l); n < b || n >= b+1<<litBits[l] {
			t.Fatalf("%d literals have code %d", n, l)
		}
		if b := base(matchBits[:], m); n < b || n >= b+1<<matchBits[m] {
			t.Fatalf("a match of %d has code %d", n+3, m)
		}
		if n+1 < 1<<o || n+1 >= 2<<o {
			t.Fatalf("offset value %d has code %d", n+1, o)
		}
	}
}

// Number_of_Sequences is read back as RFC 8878 §3.1.1.3.2.1 says.
func TestCount(t *testing.T) {
	for n := range maxSequences + 1 {
		b := appendCount(nil, n)
		got := int(b[0])
		switch {
		case b[0] == 255:
			got = int(b[1]) + int(b[2])<<8 + 0x7f00
		case b[0] >= 128:
			got = int(b[0]-128)<<8 + int(b[1])
		}
		if got != n {
			t.Fatalf("%d sequences are read as %d", n, got)
		}
	}
}
