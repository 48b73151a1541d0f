package fec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/reedsolomon"
)

// block is one coded block and the memory it is decoded in.
type block struct {
	k, size int
	want    [][]byte // k + Repair symbols, as the sender has them
	got     [][]byte // the receiver's places for them
}

func newBlock(t testing.TB, c *Coder, rng *rand.Rand, k, size int) *block {
	t.Helper()
	b := &block{k: k, size: size, got: make([][]byte, k+Repair)}
	b.want = reedsolomon.AllocAligned(k+Repair, size)
	for _, s := range b.want[:k] {
		fill(rng, s)
	}
	if err := c.Encode(b.want[:k], b.want[k:]); err != nil {
		t.Fatalf("k=%d size=%d: %v", k, size, err)
	}
	room := reedsolomon.AllocAligned(k+Repair, size)
	for i := range b.got {
		b.got[i] = room[i][:0]
	}
	return b
}

func fill(rng *rand.Rand, p []byte) {
	for ; len(p) > 0; p = p[8:] { // symbol sizes are multiples of 64
		binary.LittleEndian.PutUint64(p, rng.Uint64())
	}
}

// receive starts the block anew with all symbols but the lost ones. What is in
// the places of lost symbols is noise, as in a buffer used before.
func (b *block) receive(rng *rand.Rand, lost map[int]bool) {
	for i := range b.got {
		place := b.got[i][:b.size]
		if lost[i] {
			fill(rng, place)
			b.got[i] = place[:0]
			continue
		}
		copy(place, b.want[i])
		b.got[i] = place
	}
}

// wrong returns the source symbols that differ from what was sent.
func (b *block) wrong() (esis []int) {
	for i := range b.k {
		if !bytes.Equal(b.got[i], b.want[i]) {
			esis = append(esis, i)
		}
	}
	return esis
}

// losses returns a pattern of at most Repair lost symbols: scattered ones, a
// burst, or a few source symbols with all but as many repair symbols.
func losses(rng *rand.Rand, k int) map[int]bool {
	lost := make(map[int]bool)
	n := 1 + rng.IntN(min(Repair, k+Repair-1))
	switch rng.IntN(3) {
	case 0:
		for _, i := range rng.Perm(k + Repair)[:n] {
			lost[i] = true
		}
	case 1:
		first := rng.IntN(k + Repair - n + 1)
		for i := range n {
			lost[first+i] = true
		}
	case 2: // the usual repair pass: r were missing, r fresh ones came
		r := min(1+rng.IntN(min(k, Repair)), Repair)
		for _, i := range rng.Perm(k)[:r] {
			lost[i] = true
		}
		for _, i := range rng.Perm(Repair)[:Repair-r] {
			lost[k+i] = true
		}
	}
	return lost
}

// sizes of k at which something changes: powers of two, groups of 64, the last
// k of either field, and what real MTUs give (448-byte symbols: 588).
var edges = []int{1, 2, 3, 4, 31, 32, 33, 63, 64, 65, 127, 128, 129, 186, 187, 191, 192, 193, 255, 256, 257, 447, 448, 449, 588, 960, 961, 1023, 1024, 1029}

func TestReconstructsWhateverIsLost(t *testing.T) {
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, 0))
	c := NewCoder()
	check := func(k, size, rounds int) {
		b := newBlock(t, c, rng, k, size)
		for range rounds { // the same coder decodes the same block again and again
			lost := losses(rng, k)
			b.receive(rng, lost)
			if err := c.Reconstruct(b.got, k); err != nil {
				t.Fatalf("seed %d, k=%d size=%d, lost %v: %v", seed, k, size, lost, err)
			}
			if esis := b.wrong(); len(esis) > 0 {
				t.Fatalf("seed %d, k=%d size=%d, lost %v: wrong source symbols %v", seed, k, size, lost, esis)
			}
		}
	}
	for k := 1; k <= MaxSourceGF8; k++ {
		check(k, SymbolUnit, 10)
	}
	for _, k := range edges {
		check(k, SymbolUnit*(1+rng.IntN(4)), 3)
	}
	for range 20 { // symbols of a real MTU, k in no order
		check(1+rng.IntN(187), 1408, 10)
	}
	check(29, 8896, 10)          // jumbo frames
	check(5, MaxSymbolSize, 4)   // loopback: more than the code's own slice of 32 KiB
	check(200, MaxSymbolSize, 1) // the same over GF(2¹⁶)
}

// Blocks in flight take turns on one coder, each with a k and losses of its
// own, and each is decoded only when the others were touched in between.
func TestInterleavedBlocksShareACoder(t *testing.T) {
	const seed = 2
	rng := rand.New(rand.NewPCG(seed, 0))
	c := NewCoder()
	var blocks []*block
	for _, k := range []int{1, 7, 20, 20, 40, 40, 100, 187, 187, 200, 588} {
		blocks = append(blocks, newBlock(t, c, rng, k, 128))
	}
	for range 300 {
		b := blocks[rng.IntN(len(blocks))]
		lost := losses(rng, b.k)
		b.receive(rng, lost)
		if err := c.Reconstruct(b.got, b.k); err != nil {
			t.Fatalf("seed %d, k=%d, lost %v: %v", seed, b.k, lost, err)
		}
		if esis := b.wrong(); len(esis) > 0 {
			t.Fatalf("seed %d, k=%d, lost %v: wrong source symbols %v", seed, b.k, lost, esis)
		}
	}
}

// The library's inversion cache decodes to wrong bytes without an error. This
// is the shortest history that shows it. The two tests above would notice too:
// with the cache switched on in Coder.encoder, both fail within 20 ms.
func TestInversionCacheStaysOff(t *testing.T) {
	for _, cache := range []bool{false, true} {
		t.Run(fmt.Sprintf("cache=%t", cache), func(t *testing.T) {
			const k = 20
			rng := rand.New(rand.NewPCG(3, 0))
			c := NewCoder()
			enc, err := newEncoder(k, &c.work, cache)
			if err != nil {
				t.Fatal(err)
			}
			c.encoders[k] = enc
			b := newBlock(t, c, rng, k, SymbolUnit)
			right := true
			for repair := range 2 { // the same source symbol lost, another repair symbol got
				lost := map[int]bool{0: true}
				for i := range Repair {
					lost[k+i] = i != repair
				}
				b.receive(rng, lost)
				if err := c.Reconstruct(b.got, k); err != nil {
					t.Fatal(err)
				}
				right = right && len(b.wrong()) == 0
			}
			switch {
			case !cache && !right:
				t.Error("decoded to wrong bytes with the cache off")
			case cache && right:
				t.Error("the library's cache is right now: this guard and its warnings can go")
			}
		})
	}
}

// Repair symbols are part of the wire format: another version of the library,
// or another processor, must make the same.
func TestRepairSymbolsAreStable(t *testing.T) {
	for _, tt := range []struct {
		k    int
		want string // SHA-256
	}{
		{1, goldenK1}, {20, goldenK20}, {187, goldenK187}, {200, goldenK200}, {588, goldenK588},
	} {
		c := NewCoder()
		symbols := reedsolomon.AllocAligned(tt.k+Repair, SymbolUnit)
		for esi, s := range symbols[:tt.k] {
			for i := range s {
				s[i] = byte(esi*7 + i*13 + esi*i)
			}
		}
		if err := c.Encode(symbols[:tt.k], symbols[tt.k:]); err != nil {
			t.Fatal(err)
		}
		if got := digest(symbols[tt.k:]); got != tt.want {
			t.Errorf("k=%d: repair symbols have digest %s, want %s", tt.k, got, tt.want)
		}
	}
}

func TestAllSourceSymbolsPresentNeedsNoRepair(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	c := NewCoder()
	b := newBlock(t, c, rng, 30, 128)
	lost := make(map[int]bool)
	for i := range Repair {
		lost[30+i] = true
	}
	b.receive(rng, lost)
	if err := c.Reconstruct(b.got, 30); err != nil {
		t.Fatal(err)
	}
	for i, s := range b.got[30:] {
		if len(s) != 0 {
			t.Errorf("repair symbol %d was filled in, nobody asked for it", i)
		}
	}
}

func TestTooFewSymbolsChangeNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	c := NewCoder()
	b := newBlock(t, c, rng, 30, 128)
	lost := make(map[int]bool)
	for _, i := range rng.Perm(30 + Repair)[:Repair+1] {
		lost[i] = true
	}
	b.receive(rng, lost)
	if err := c.Reconstruct(b.got, 30); !errors.Is(err, ErrTooFew) {
		t.Fatalf("one symbol short: got %v, want ErrTooFew", err)
	}
	for i, s := range b.got {
		if lost[i] != (len(s) == 0) {
			t.Errorf("symbol %d: length %d after a refusal", i, len(s))
		}
	}
	if err := c.Reconstruct(make([][]byte, 30+Repair), 30); !errors.Is(err, ErrTooFew) {
		t.Errorf("no symbol at all: got %v, want ErrTooFew", err)
	}
}

func TestWrongShapesAreRefused(t *testing.T) {
	symbols := func(n, size int) [][]byte { return reedsolomon.AllocAligned(n, size) }
	with := func(s [][]byte, i int, v []byte) [][]byte { s[i] = v; return s }
	c := NewCoder()
	for name, err := range map[string]error{
		"no source":                 c.Encode(nil, symbols(Repair, 64)),
		"more source than allowed":  c.Encode(symbols(MaxSource+1, 64), symbols(Repair, 64)),
		"63 repair":                 c.Encode(symbols(9, 64), symbols(Repair-1, 64)),
		"empty source symbols":      c.Encode(make([][]byte, 9), make([][]byte, Repair)),
		"size not a multiple":       c.Encode(symbols(9, 100), symbols(Repair, 100)),
		"size beyond a datagram":    c.Encode(symbols(1, MaxSymbolSize+64), symbols(Repair, MaxSymbolSize+64)),
		"short source symbol":       c.Encode(with(symbols(9, 128), 3, make([]byte, 64)), symbols(Repair, 128)),
		"nil repair symbol":         c.Encode(symbols(9, 128), with(symbols(Repair, 128), 3, nil)),
		"k = 0":                     c.Reconstruct(symbols(Repair, 64), 0),
		"k < 0":                     c.Reconstruct(symbols(Repair, 64), -1),
		"one symbol too many":       c.Reconstruct(symbols(9+Repair+1, 64), 9),
		"one symbol too few":        c.Reconstruct(symbols(9+Repair-1, 64), 9),
		"symbols of two sizes":      c.Reconstruct(with(symbols(9+Repair, 128), 70, make([]byte, 64)), 9),
		"decode, not a multiple":    c.Reconstruct(with(symbols(9+Repair, 100), 0, make([]byte, 0, 100)), 9),
		"complete, not a multiple":  c.Reconstruct(symbols(9+Repair, 100), 9),
		"no room for a lost symbol": c.Reconstruct(with(symbols(9+Repair, 128), 0, make([]byte, 0, 64)), 9),
	} {
		if !errors.Is(err, ErrShape) {
			t.Errorf("%s: got %v, want ErrShape", name, err)
		}
	}
}

// A coder's memory stays bounded whatever ks it meets.
func TestEncodersKeptAreBounded(t *testing.T) {
	c := NewCoder()
	for k := 1; k <= 1024; k++ {
		if _, err := c.encoder(k); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.encoders); n > maxEncoders {
		t.Errorf("%d encoders kept, want at most %d", n, maxEncoders)
	}
}
