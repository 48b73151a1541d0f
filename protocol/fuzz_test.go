package protocol

import (
	"bytes"
	"testing"
)

// fuzz feeds a parser with what follows the header, under a header that fits
// (the checksum would keep the fuzzer out), and with the same bytes bare.
func fuzz(f *testing.F, typ Type) {
	for name := range goldens() {
		if d := golden(f, name); Type(d[11]) == typ {
			f.Add(d[HeaderSize:])
			f.Add(d[HeaderSize : len(d)-1])
		}
	}
	f.Add([]byte(nil))
	f.Add(bytes.Repeat([]byte{0xff}, 200))
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := parse(typ, body); err == nil {
			t.Fatal("bytes without a header pass")
		}
		d := seal(append(begin(nil, typ, sessionOf(typ)), body...), 0)
		before := bytes.Clone(d)
		v, err := parse(typ, d)
		if !bytes.Equal(d, before) {
			t.Fatal("parser changed its input")
		}
		if err == nil {
			checkSame(t, d, v)
		}
	})
}

func FuzzAnnounce(f *testing.F) { fuzz(f, TypeAnnounce) }
func FuzzData(f *testing.F)     { fuzz(f, TypeData) }
func FuzzJoin(f *testing.F)     { fuzz(f, TypeJoin) }
func FuzzWelcome(f *testing.F)  { fuzz(f, TypeWelcome) }
func FuzzReport(f *testing.F)   { fuzz(f, TypeReport) }
func FuzzRoster(f *testing.F)   { fuzz(f, TypeRoster) }
func FuzzFlush(f *testing.F)    { fuzz(f, TypeFlush) }
func FuzzSolicit(f *testing.F)  { fuzz(f, TypeSolicit) }
