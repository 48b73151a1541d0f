package screen

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Width returns how many columns text takes on a terminal; escape sequences of
// Paint take none.
func Width(text string) int {
	n := 0
	for text != "" {
		size, width := next(text)
		n += width
		text = text[size:]
	}
	return n
}

// Cut returns as much of text as fits width columns, with an ellipsis when
// that is not all.
func Cut(text string, width int) string {
	if Width(text) <= width {
		return text
	}
	var b strings.Builder
	coloured, left := false, width-1
	for text != "" && left >= 0 {
		size, w := next(text)
		if w > left {
			break
		}
		if text[0] == '\x1b' {
			coloured = text[:size] != "\x1b[0m"
		}
		left -= w
		b.WriteString(text[:size])
		text = text[size:]
	}
	if width > 0 {
		b.WriteString("…")
	}
	if coloured {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// next returns the length in bytes of the first rune or escape sequence of text
// and the columns that it takes.
func next(text string) (size, width int) {
	if strings.HasPrefix(text, "\x1b[") {
		if end := strings.IndexByte(text, 'm'); end > 0 {
			return end + 1, 0
		}
	}
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) || unicode.Is(unicode.Cf, r):
		return size, 0
	case wide(r):
		return size, 2
	}
	return size, 1
}

// wide reports whether a rune takes two columns: the ranges of Unicode's
// East Asian Width W and F (UAX #11) that names are written in.
func wide(r rune) bool {
	return r >= 0x1100 && r <= 0x115f || r >= 0x2e80 && r <= 0xa4cf || r >= 0xac00 && r <= 0xd7a3 ||
		r >= 0xf900 && r <= 0xfaff || r >= 0xfe30 && r <= 0xfe6f || r >= 0xff00 && r <= 0xff60 ||
		r >= 0xffe0 && r <= 0xffe6 || r >= 0x1f300 && r <= 0x1faff || r >= 0x20000 && r <= 0x3fffd
}
