package menu

import (
	"strings"
	"unicode/utf8"
)

// A key is what somebody pressed: a character, or one of these.
type key rune

// Keys that are no characters, beyond Unicode.
const (
	keyEnter key = utf8.MaxRune + 1 + iota
	keyBack      // backspace or delete
	keyEscape
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyRepaint // ^L
)

// decoder turns the bytes of a console into keys.
type decoder struct {
	pending []byte // the beginning of an escape sequence or character
	cr      bool   // the last byte was a carriage return: a newline after it is the same key
}

// most escape sequences are shorter; noise on a line is cut off here.
const maxSequence = 16

var sequences = map[string]key{
	"[A": keyUp, "OA": keyUp, "[B": keyDown, "OB": keyDown, "[5~": keyPageUp, "[6~": keyPageDown, "[3~": keyBack,
}

// feed takes bytes and returns the keys that are complete. What is no key is
// dropped: noise on a serial line, keys that have no meaning here.
func (d *decoder) feed(b []byte) (keys []key) {
	for _, c := range b {
		after := d.cr
		d.cr = c == '\r'
		if len(d.pending) > 0 {
			keys = append(keys, d.more(c)...)
			continue
		}
		switch {
		case c == '\r', c == '\n' && !after:
			keys = append(keys, keyEnter)
		case c == 0x7f, c == 0x08:
			keys = append(keys, keyBack)
		case c == 0x03, c == 0x15: // ^C and ^U
			keys = append(keys, keyEscape)
		case c == 0x0c, c == 0x12: // ^L and ^R
			keys = append(keys, keyRepaint)
		case c == 0x1b:
			d.pending = append(d.pending, c)
		case c >= ' ' && c < 0x7f:
			keys = append(keys, key(c))
		}
	}
	return keys
}

// more goes on with an escape sequence (ECMA-48, 5.4).
func (d *decoder) more(c byte) (keys []key) {
	d.pending = append(d.pending, c)
	s := string(d.pending[1:])
	switch {
	case len(s) == 1 && strings.ContainsAny(s, "[O"):
		return nil
	case len(s) == 1: // Escape, and then another key
		d.pending = nil
		return append([]key{keyEscape}, d.feed([]byte{c})...)
	case c >= 0x40 && c <= 0x7e || len(s) > maxSequence:
		d.pending = nil
		if k, ok := sequences[s]; ok {
			return []key{k}
		}
	}
	return nil
}

// flush ends what may go on, when nothing came for a moment: a lone Escape.
func (d *decoder) flush() (keys []key) {
	if len(d.pending) == 1 {
		keys = []key{keyEscape}
	}
	d.pending = nil
	return keys
}

// waiting reports whether flush is needed.
func (d *decoder) waiting() bool { return len(d.pending) > 0 }
