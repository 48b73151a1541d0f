package menu

import (
	"slices"
	"testing"
)

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []key
	}{
		{"1\r", []key{'1', keyEnter}},
		{"1\n", []key{'1', keyEnter}},
		{"1\r\n2\r\n", []key{'1', keyEnter, '2', keyEnter}},
		{"\n\n\r\r", []key{keyEnter, keyEnter, keyEnter, keyEnter}},
		{"\x1b[A\x1b[B\x1bOA\x1b[5~\x1b[6~", []key{keyUp, keyDown, keyUp, keyPageUp, keyPageDown}},
		{"\x7f\x08\x03\x0c", []key{keyBack, keyBack, keyEscape, keyRepaint}},
		{"\x1bx", []key{keyEscape, 'x'}},
		{"\x00\x01\xff\xfeä", nil},                                         // noise, and no letters that we ask for
		{"\x1b[1;5Cy\x1b[200~", []key{'y'}},                                // keys that have no meaning here
		{"\x1b[" + "1111111111111111111" + "y", []key{'1', '1', '1', 'y'}}, // a sequence without an end
	} {
		for size := 1; size <= len(c.in); size++ { // however it is cut
			var d decoder
			var got []key
			for chunk := range slices.Chunk([]byte(c.in), size) {
				got = append(got, d.feed(chunk)...)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q in pieces of %d: %v, want %v", c.in, size, got, c.want)
			}
		}
	}
}

func TestLoneEscape(t *testing.T) {
	var d decoder
	if got := d.feed([]byte("\x1b")); len(got) > 0 || !d.waiting() {
		t.Fatalf("%v, waiting %v", got, d.waiting())
	}
	if got := d.flush(); !slices.Equal(got, []key{keyEscape}) || d.waiting() {
		t.Errorf("%v", got)
	}
	d.feed([]byte("\x1b["))
	if got := d.flush(); len(got) > 0 || d.waiting() {
		t.Errorf("half a sequence: %v", got)
	}
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte("\x1b[A\r\n\x1b\x1b[1;2B"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d decoder
		for _, k := range append(d.feed(b), d.flush()...) {
			if k < ' ' || k >= 0x7f && k < keyEnter || k > keyRepaint {
				t.Fatalf("%q gives key %d", b, k)
			}
		}
		if len(d.pending) > maxSequence+2 {
			t.Fatalf("keeps %d bytes", len(d.pending))
		}
	})
}
