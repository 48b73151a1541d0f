package frame

import "math/bits"

// maxStates is the size of the largest table, of 9 bits.
const maxStates = 512

// A table encodes one kind of codes by finite state entropy (RFC 8878 §4.1).
type table struct {
	count   [64]uint32
	norm    [64]int16
	log     uint32
	symbols [64]transform
	states  [maxStates]uint16
}

// A transform says how a symbol changes the state, as in zstd's encoder: the
// state gives away (state + bits) >> 16 bits, and find leads to the next.
type transform struct {
	bits uint32
	find int32
}

// Symbol_Compression_Modes (RFC 8878 §3.1.1.3.2.1).
const (
	predefinedMode = 0
	rleMode        = 1
	fseMode        = 2
)

// Default distributions (RFC 8878 §3.1.1.3.2.2).
var (
	litDefault = [...]int16{4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1,
		-1, -1, -1, -1}
	matchDefault = [...]int16{1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1}
	offsetDefault = [...]int16{1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1}
)

func (t *table) reset() { t.count = [64]uint32{} }

// choose decides how the n counted codes are encoded, appends the description
// of the table to dst, and builds it. maxLog bounds the table.
func (t *table) choose(dst []byte, n int, maxLog uint32, predefined []int16, predefinedLog uint32) (_ []byte, mode int) {
	symbols, first := 0, -1
	for s, c := range t.count {
		if c > 0 {
			symbols = s + 1
			if first < 0 {
				first = s
			}
		}
	}
	switch {
	case first == symbols-1:
		t.log = 0
		t.symbols[first] = transform{}
		t.states[0] = 0
		return append(dst, byte(first)), rleMode
	case n < 64:
		// A description would be longer than what it saves.
		clear(t.norm[copy(t.norm[:], predefined):])
		t.log = predefinedLog
		t.build(len(predefined))
		return dst, predefinedMode
	}
	t.log = min(maxLog, max(6, uint32(bits.Len32(uint32(n-1)))-3))
	t.normalize(symbols, n)
	t.build(symbols)
	return t.describe(dst, symbols), fseMode
}

// normalize scales the counts of n codes to a sum of 2^log, with no code that
// occurs at 0.
func (t *table) normalize(symbols, n int) {
	size := uint64(1) << t.log
	left := int(size)
	scale := size << 32 / uint64(n)
	for s, c := range t.count[:symbols] {
		p := int16((uint64(c)*scale + 1<<31) >> 32)
		if c > 0 && p == 0 {
			p = 1
		}
		t.norm[s] = p
		left -= int(p)
	}
	for left != 0 {
		largest := 0
		for s, p := range t.norm[:symbols] {
			if p > t.norm[largest] {
				largest = s
			}
		}
		if left > 0 {
			t.norm[largest] += int16(left)
			return
		}
		t.norm[largest]--
		left++
	}
}

// describe appends the distribution (RFC 8878 §4.1.1).
func (t *table) describe(dst []byte, symbols int) []byte {
	acc, n := t.log-5, uint32(4)
	flush := func() {
		for n >= 8 {
			dst = append(dst, byte(acc))
			acc >>= 8
			n -= 8
		}
	}
	left, threshold, width := int32(1)<<t.log+1, int32(1)<<t.log, t.log+1
	for s := 0; s < symbols && left > 1; {
		p := int32(t.norm[s])
		s++
		low := 2*threshold - 1 - left // so many values have a bit less
		left -= p
		v := p + 1
		if v >= threshold {
			v += low
		}
		acc |= uint32(v) << n
		n += width
		if v < low {
			n--
		}
		flush()
		for left < threshold {
			width--
			threshold >>= 1
		}
		if p != 0 {
			continue
		}
		// How many more zeros follow, in steps of up to three.
		for run := 0; ; run = 0 {
			for run < 3 && s < symbols && t.norm[s] == 0 {
				run++
				s++
			}
			acc |= uint32(run) << n
			n += 2
			flush()
			if run < 3 {
				break
			}
		}
	}
	if n > 0 {
		dst = append(dst, byte(acc))
	}
	return dst
}

// build makes the encoder's table of the distribution; -1 is a probability of
// less than one.
func (t *table) build(symbols int) {
	size := uint32(1) << t.log
	var spread [maxStates]byte
	var next [64]uint32 // where the states of each symbol go
	high := size        // cells from here on are taken by those of -1
	total := uint32(0)
	for s, p := range t.norm[:symbols] {
		next[s] = total
		switch p {
		case 0:
		case -1, 1:
			if p < 0 {
				high--
				spread[high] = byte(s)
			}
			t.symbols[s] = transform{t.log<<16 - size, int32(total) - 1}
			total++
		default:
			most := t.log - uint32(bits.Len32(uint32(p-1))-1)
			t.symbols[s] = transform{most<<16 - uint32(p)<<most, int32(total) - int32(p)}
			total += uint32(p)
		}
	}
	at, step := uint32(0), size>>1+size>>3+3
	for s, p := range t.norm[:symbols] {
		for range p {
			spread[at] = byte(s)
			for at = (at + step) & (size - 1); at >= high; {
				at = (at + step) & (size - 1)
			}
		}
	}
	for i, s := range spread[:size] {
		t.states[next[s&63]&(maxStates-1)] = uint16(size + uint32(i))
		next[s&63]++
	}
}

// begin returns the state from which the first symbol encoded costs least.
func (t *table) begin(symbol uint32) uint32 {
	s := &t.symbols[symbol]
	k := (s.bits + 1<<15) >> 16
	v := k<<16 - s.bits
	return uint32(t.states[(int32(v>>(k&31))+s.find)&(maxStates-1)])
}

// next adds the bits by which state becomes the one that encodes symbol.
func (t *table) next(w bitWriter, state, symbol uint32) (bitWriter, uint32) {
	s := t.symbols[symbol&63]
	k := (state + s.bits) >> 16
	w.acc |= uint64(state&(1<<(k&31)-1)) << (w.n & 63)
	w.n += uint(k)
	return w, uint32(t.states[(int32(state>>(k&31))+s.find)&(maxStates-1)])
}
