package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func noise(seed uint64, n int) []byte {
	var s [32]byte
	binary.LittleEndian.PutUint64(s[:], seed)
	b := make([]byte, n)
	rand.NewChaCha8(s).Read(b)
	return b
}

// text is made of words in the proportions of a language.
func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var words [600]string
	for i := range words {
		words[i] = fmt.Sprintf("%x", r.Uint64()>>r.IntN(50))
	}
	var b []byte
	for len(b) < n {
		b = append(append(b, words[int(r.ExpFloat64()*60)%len(words)]...), ' ')
	}
	return b[:n]
}

// far repeats a piece of noise at distances and in lengths on both sides of
// every power of two: long literals, long matches, large offsets.
func far(seed uint64) []byte {
	piece := noise(seed, 200)
	var b []byte
	for n := 1; len(b) < MaxRaw; n = n*2 + 1 {
		b = append(append(b, noise(seed+uint64(n), n)...), piece...)
		b = append(b, bytes.Repeat(piece[:7], n/7)...)
	}
	return b[:MaxRaw]
}

// skewed has few matches and bytes that a Huffman code shortens.
func skewed(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.ExpFloat64() * 20)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func contents() map[string][]byte {
	half := maxPart
	return map[string][]byte{
		"noise":              noise(1, MaxRaw),
		"text":               text(1, MaxRaw),
		"skewed":             skewed(1, MaxRaw),
		"zeros":              make([]byte, MaxRaw),
		"zeros but the last": append(make([]byte, MaxRaw-1), 1),
		"period 2":           bytes.Repeat([]byte("ab"), half),
		"period 5":           bytes.Repeat([]byte("abcde"), MaxRaw/5),
		"period 70000":       bytes.Repeat(noise(3, 70000), 3),
		"far":                far(4),
		"far matches":        join(noise(5, 100), make([]byte, MaxRaw-200), noise(5, 100)),
		// What one part teaches the decoder counts for the next, or not.
		"text, noise":   join(text(2, half), noise(2, half)),
		"noise, text":   join(noise(2, half), text(2, half)),
		"zeros, text":   join(make([]byte, half), text(2, half)),
		"text, zeros":   join(text(2, half), make([]byte, half)),
		"text, same":    join(text(2, half), text(2, half)),
		"noise, same":   join(noise(2, half), noise(2, half)),
		"skewed, other": join(skewed(2, half), noise(4, 30000), skewed(3, half-30000)),
		"stored":        stored(),
		"short matches": shortMatches(),
	}
}

// stored has one match in a part that is stored, and begins the next with one
// at the same distance: the decoder knows nothing of the first.
func stored() []byte {
	b := append(noise(6, maxPart), make([]byte, maxPart)...)
	copy(b[60:100], b[20:60])
	copy(b[maxPart:], b[maxPart-40:maxPart])
	return b
}

// shortMatches has as many sequences as a part can have.
func shortMatches() []byte {
	var b []byte
	for r := rand.New(rand.NewPCG(1, 1)); len(b) < MaxRaw; {
		b = append(b, "abcdef"...)
		b[len(b)-1-r.IntN(6)]++
	}
	return b[:MaxRaw]
}

func TestEveryDecoderReadsIt(t *testing.T) {
	e := NewEncoder()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range contents() {
		lengths := []int{len(raw), len(raw) - 1, maxPart + 1, maxPart, maxPart - 1, 65536 + 256, 65535 + 256, 70000, 20000, 5000, 1023, 256, 255}
		for n := 1; n < 80; n++ {
			lengths = append(lengths, n)
		}
		for _, n := range lengths {
			out := e.EncodeAll(raw[:n], []byte("before"))
			if len(out) > 6+n+Overhead || string(out[:6]) != "before" {
				t.Errorf("%s: frame of %d bytes has %d", name, n, len(out)-6)
			}
			got, err := d.DecodeAll(out[6:], nil) // checks the checksum
			if err != nil || !bytes.Equal(got, raw[:n]) {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

// A frame that is too long costs the wire, whatever the time it saved.
func TestRatio(t *testing.T) {
	contents := contents()
	for name, most := range map[string]float64{
		"noise": 1.0001, "text": 0.193, "skewed": 0.74, "zeros": 0.0002, "zeros but the last": 0.0002,
		"period 5": 0.0002, "period 70000": 0.34, "text, same": 0.102, "noise, same": 0.501, "far": 0.51,
	} {
		raw := contents[name]
		n := len(NewEncoder().EncodeAll(raw, nil))
		if ratio := float64(n) / float64(len(raw)); ratio > most {
			t.Errorf("%s: %.4f of its length, want at most %.4f", name, ratio, most)
		}
	}
}

// The same bytes have the same frame whatever was encoded before and stands
// behind them in memory.
func TestNothingElseMatters(t *testing.T) {
	used := NewEncoder()
	for name, raw := range contents() {
		for _, n := range []int{len(raw), maxPart + 5, 1000, 20} {
			want := NewEncoder().EncodeAll(bytes.Clone(raw[:n]), nil)
			for _, behind := range [][]byte{raw, noise(9, Room), make([]byte, Room)} {
				buf := make([]byte, n, Room+n)
				copy(buf, raw)
				copy(buf[n:Room+n], behind)
				if !bytes.Equal(used.EncodeAll(buf, nil), want) {
					t.Fatalf("%s, %d bytes: another frame", name, n)
				}
			}
		}
	}
}

func TestEncodeDoesNotAllocate(t *testing.T) {
	e := NewEncoder()
	out := make([]byte, 0, MaxRaw+Overhead)
	for name, raw := range contents() {
		if n := testing.AllocsPerRun(5, func() { e.EncodeAll(raw, out) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, raw := range contents() {
		f.Add(raw[:5000], uint16(3), uint16(700))
	}
	e := NewEncoder()
	d, err := zstd.NewReader(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte, repeat, gap uint16) {
		// Few bytes make a long content, with matches far back.
		var raw []byte
		for i := range int(repeat%64) + 1 {
			raw = append(append(raw, b[min(i, len(b)):]...), make([]byte, gap)...)
		}
		raw = raw[:min(len(raw), MaxRaw)]
		if len(raw) == 0 {
			return
		}
		out := e.EncodeAll(raw, nil)
		if got, err := d.DecodeAll(out, nil); err != nil || !bytes.Equal(got, raw) || len(out) > len(raw)+Overhead {
			t.Fatalf("%d bytes to %d: %v", len(raw), len(out), err)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, name := range []string{"text", "skewed", "noise"} {
		b.Run(name, func(b *testing.B) {
			raw := append(make([]byte, 0, Room), contents()[name]...)
			e := NewEncoder()
			var out []byte
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				out = e.EncodeAll(raw, out[:0])
			}
			b.ReportMetric(float64(len(out))/float64(len(raw)), "ratio")
		})
	}
}
