// Package tree is the folder of files that machines boot from, and the files that
// are made up as they are asked for. Names come from the network, over TFTP and
// HTTP: nothing outside the folder can be named.
package tree

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// LongestName is the most bytes of a name that are looked at: a file name in DHCP has
// 127, GRUB's longest in its own folder 60.
const LongestName = 255

// ErrName: it is no name that a file here could have.
var ErrName = errors.New("no such name")

// Clean returns a name as it is in the tree: components with one slash between, none
// before. It takes what firmware and boot loaders make of names, and refuses what
// could lead anywhere else.
func Clean(asked string) (string, error) {
	if len(asked) > LongestName {
		return "", ErrName
	}
	// Some PXE ROMs copy the boot file's name from DHCP with what comes behind it: the
	// end of the options, 0xff.
	for strings.HasSuffix(asked, "\xff") {
		asked = asked[:len(asked)-1]
	}
	if !utf8.ValidString(asked) {
		return "", ErrName
	}
	// shim looks for the second stage beside itself, with a backslash where it was
	// loaded by a name that has one.
	asked = strings.ReplaceAll(asked, `\`, "/")
	var parts []string
	for part := range strings.SplitSeq(asked, "/") {
		switch {
		case part == "":
			// GRUB and shim join folders and names with slashes of their own.
		case part[0] == '.', strings.ContainsFunc(part, odd):
			return "", ErrName // nothing here is hidden, and .. is not taken in any form
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return "", ErrName
	}
	return strings.Join(parts, "/"), nil
}

// odd reports whether a rune is in no name here: what shells, terminals and other
// systems' file names make something else of.
func odd(r rune) bool {
	return r < ' ' || r >= 0x7f || strings.ContainsRune(`%*?"<>|$&;'`+"`", r)
}
