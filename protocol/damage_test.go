package protocol

import (
	"bytes"
	"errors"
	"testing"
)

var types = []Type{TypeAnnounce, TypeData, TypeJoin, TypeWelcome, TypeReport, TypeRoster, TypeFlush, TypeSolicit}

// resealed returns a copy of d, damaged on purpose, with a checksum that fits:
// what a forger would send.
func resealed(d []byte) []byte { return seal(bytes.Clone(d), 0) }

func TestCutDatagramIsRefusedAtEveryByte(t *testing.T) {
	for name := range goldens() {
		d := golden(t, name)
		for n := range d {
			for _, typ := range types {
				if _, err := parse(typ, d[:n]); err == nil {
					t.Errorf("%s cut to %d bytes passes as %v", name, n, typ)
				}
			}
		}
	}
}

// Cut by a forger, who puts the checksum right. What ends in a list or in a
// symbol may then be a shorter datagram of its type; it must be that exactly.
func TestCutAndResealedDatagram(t *testing.T) {
	least := map[Type]int{TypeData: DataHeaderSize + 1, TypeReport: reportFixed, TypeRoster: HeaderSize + 4}
	for name := range goldens() {
		d := golden(t, name)
		typ := Type(d[11])
		for n := HeaderSize; n < len(d); n++ {
			cut := resealed(d[:n])
			v, err := parse(typ, cut)
			if shortest, ok := least[typ]; err == nil && ok && n >= shortest {
				checkSame(t, cut, v)
				continue
			}
			// A list cut in the middle of an element, or a field that is
			// read from the wrong place, tells what it can tell.
			if !errors.Is(err, ErrTruncated) {
				t.Errorf("%s cut to %d bytes and resealed: %v", name, n, err)
			}
		}
	}
}

func checkSame(t *testing.T, d []byte, v any) {
	t.Helper()
	got, err := appendTo(nil, v)
	if err != nil || !bytes.Equal(got, d) {
		t.Errorf("parsed and appended\n %x becomes\n %x, %v", d, got, err)
	}
}

func TestFlippedBitIsRefusedAtEveryPosition(t *testing.T) {
	for name := range goldens() {
		d := golden(t, name)
		for bit := range 8 * len(d) {
			d[bit/8] ^= 1 << (bit % 8)
			if _, err := ParseHeader(d); err == nil {
				t.Errorf("%s with bit %d of byte %d flipped has a good header", name, bit%8, bit/8)
			}
			if _, err := parse(Type(golden(t, name)[11]), d); err == nil {
				t.Errorf("%s passes with bit %d of byte %d flipped", name, bit%8, bit/8)
			}
			d[bit/8] ^= 1 << (bit % 8)
		}
	}
}

// A forger's flipped bit is either refused or understood: then the same bytes
// come out again, so that no two datagrams mean the same.
func TestFlippedAndResealedBitIsRefusedOrUnderstood(t *testing.T) {
	for name := range goldens() {
		d := golden(t, name)
		for bit := range 8 * len(d) {
			flipped := bytes.Clone(d)
			flipped[bit/8] ^= 1 << (bit % 8)
			flipped = resealed(flipped)
			for _, typ := range types {
				if v, err := parse(typ, flipped); err == nil {
					checkSame(t, flipped, v)
				}
			}
		}
	}
}

func TestRefusalSaysWhy(t *testing.T) {
	patched := func(name string, offset int, b byte) []byte {
		d := golden(t, name)
		d[offset] = b
		return resealed(d)
	}
	for _, tt := range []struct {
		name string
		typ  Type
		d    []byte
		want error
	}{
		{"nothing", TypeFlush, nil, ErrTruncated},
		{"19 bytes", TypeFlush, make([]byte, 19), ErrTruncated},
		{"other protocol", TypeFlush, make([]byte, 20), ErrForeign},
		{"other magic", TypeFlush, patched("flush", 9, 'Y'), ErrForeign},
		{"version 0", TypeFlush, patched("flush", 10, 0), ErrVersion},
		{"version 2", TypeFlush, patched("flush", 10, 2), ErrVersion},
		{"type 0", TypeFlush, patched("flush", 11, 0), ErrType},
		{"type 9", TypeFlush, patched("flush", 11, 9), ErrType},
		{"data without a symbol", TypeData, resealed(golden(t, "data")[:DataHeaderSize]), ErrTruncated},
	} {
		if _, err := parse(tt.typ, tt.d); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestDatagramOfAnotherTypeIsRefused(t *testing.T) {
	for name := range goldens() {
		d := golden(t, name)
		for _, typ := range types {
			if _, err := parse(typ, d); typ != Type(d[11]) && !errors.Is(err, ErrType) {
				t.Errorf("%s read as %v: %v, want %v", name, typ, err, ErrType)
			}
		}
	}
}

func TestTrailingByteIsRefused(t *testing.T) {
	for _, name := range []string{"announce", "announce-cancelled", "flush", "join", "solicit", "welcome-challenge", "welcome-admitted"} {
		d := resealed(append(golden(t, name), 0))
		if _, err := parse(Type(d[11]), d); !errors.Is(err, ErrTrailing) {
			t.Errorf("%s with a byte more: %v, want %v", name, err, ErrTrailing)
		}
	}
}
