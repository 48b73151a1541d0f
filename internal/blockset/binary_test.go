package blockset

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// scattered returns a set of n numbers with runs of about length, some full, some
// empty.
func scattered(r *rand.Rand, n, length int) *Set {
	s := New(n)
	for at := r.IntN(2 * length); at < n; {
		hi := min(n, at+1+r.IntN(2*length))
		s.AddRange(at, hi)
		at = hi + 1 + r.IntN(2*length)
	}
	return s
}

func TestSerialisedAndBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		for _, length := range []int{1, 2, 9, 200, 5000} {
			s := scattered(r, n*n%5000, length)
			b := s.AppendBinary([]byte("x"))[1:]
			if len(b) > MaxBinary(s.Len()) {
				t.Fatalf("%d numbers: %d bytes, at most %d are promised", s.Len(), len(b), MaxBinary(s.Len()))
			}
			got, err := Parse(b, s.Len())
			if err != nil {
				t.Fatalf("%d numbers in runs of %d: %v", s.Len(), length, err)
			}
			for i := range s.Len() {
				if got.Has(i) != s.Has(i) {
					t.Fatalf("%d numbers in runs of %d: %d is different", s.Len(), length, i)
				}
			}
		}
	}
}

func TestSizes(t *testing.T) {
	const n = 4 << 20 // 1 TB
	some := New(n)
	some.AddRange(1000, 3<<20)
	for _, tt := range []struct {
		what string
		set  *Set
		want int
	}{
		{"empty", New(n), 1},
		{"one run", some, 1 + 2 + 4},
		{"every other", scattered(rand.New(rand.NewPCG(3, 4)), n, 1), MaxBinary(n)},
	} {
		if got := len(tt.set.AppendBinary(nil)); got != tt.want {
			t.Errorf("%s: %d bytes, want %d", tt.what, got, tt.want)
		}
	}
}

func TestWhatIsNoSet(t *testing.T) {
	for _, tt := range []struct {
		why string
		b   []byte
		n   int
	}{
		{"nothing", nil, 8},
		{"no such form", []byte{2}, 8},
		{"half a run", []byte{runForm, 3}, 800},
		{"an endless number", []byte{runForm, 0x80, 0x80, 0x80, 0x80}, 800},
		{"a number of two bytes that fits one", []byte{runForm, 0x83, 0x00, 1}, 800},
		{"a run of nothing", []byte{runForm, 3, 0}, 800},
		{"two runs without a gap", []byte{runForm, 3, 1, 0, 1}, 800},
		{"a run past the end", []byte{runForm, 3, 6}, 8},
		{"a gap past the end", []byte{runForm, 9, 1}, 8},
		{"a number of 70 bits", []byte{runForm, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}, 800},
		{"runs where the bitmap is shorter", []byte{runForm, 0, 1, 1, 1}, 8},
		{"bitmap where runs are shorter", []byte{bitmapForm, 0xff, 0xff, 0xff}, 24},
		{"short bitmap", []byte{bitmapForm, 0x55}, 16},
		{"long bitmap", []byte{bitmapForm, 0x55, 0x55, 0x55}, 16},
		{"a bit past the end", []byte{bitmapForm, 0x55, 0xd5}, 15},
		{"fewer than none", []byte{runForm}, -1},
	} {
		if _, err := Parse(tt.b, tt.n); err == nil {
			t.Errorf("%s: % x is taken for a set of %d", tt.why, tt.b, tt.n)
		}
	}
}

func FuzzParse(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, length := range []int{1, 3, 50} {
		f.Add(scattered(r, 500, length).AppendBinary(nil), uint16(500))
	}
	f.Add([]byte{runForm, 0, 1, 1, 1}, uint16(8))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		s, err := Parse(b, int(n))
		if err != nil {
			return
		}
		if got := s.AppendBinary(nil); !bytes.Equal(got, b) {
			t.Fatalf("% x is read as % x", b, got)
		}
		if s.Next(0) < s.Len() && s.Count() == 0 || s.Count() > s.Len() {
			t.Fatalf("%d of %d numbers", s.Count(), s.Len())
		}
	})
}
