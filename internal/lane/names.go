package lane

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// MaxRange is the most blocks, zero blocks among them, of one name: what 64
// blocks pack to is 16.1 MiB at the most, which has no more parts in TFTP than
// their numbers have bits, even with the 512 bytes of a client without options.
const MaxRange = 64

// kind is what a name stands for.
type kind uint8

const (
	manifestKind kind = iota + 1
	haveKind
	blockKind
	blocksKind
)

// name is the name of a thing that is served.
type name struct {
	id          image.ID
	kind        kind
	first, last protocol.SBN // of blocksKind; of blockKind both are the block
}

// String returns the only form of the name, without a leading slash.
func (n name) String() string {
	switch n.kind {
	case manifestKind:
		return fmt.Sprintf("images/%s/manifest", n.id)
	case haveKind:
		return fmt.Sprintf("images/%s/have", n.id)
	case blockKind:
		return fmt.Sprintf("images/%s/block/%d", n.id, n.first)
	}
	return fmt.Sprintf("images/%s/blocks/%d-%d", n.id, n.first, n.last)
}

// longestName bounds what is looked at: images/, 64 digits, /blocks/ and two
// numbers.
const longestName = 7 + 64 + 8 + 2*10 + 1

// parseName is the inverse of String; it takes no other form: no capitals,
// leading zeros, signs, dots, escapes or slashes too many.
func parseName(s string) (n name, ok bool) {
	if len(s) > longestName {
		return name{}, false
	}
	s, ok = strings.CutPrefix(s, "images/")
	if !ok {
		return name{}, false
	}
	id, rest, ok := strings.Cut(s, "/")
	if !ok {
		return name{}, false
	}
	var err error
	if n.id, err = image.ParseID(id); err != nil || n.id.String() != id {
		return name{}, false
	}
	what, numbers, numbered := strings.Cut(rest, "/")
	switch {
	case rest == "manifest":
		n.kind = manifestKind
	case rest == "have":
		n.kind = haveKind
	case what == "block" && numbered:
		n.kind = blockKind
		n.first, ok = parseSBN(numbers)
		n.last = n.first
	case what == "blocks" && numbered:
		n.kind = blocksKind
		ok = n.parseRange(numbers)
	default:
		ok = false
	}
	if !ok {
		return name{}, false
	}
	return n, true
}

func (n *name) parseRange(s string) bool {
	first, last, ok := strings.Cut(s, "-")
	if !ok {
		return false
	}
	if n.first, ok = parseSBN(first); !ok {
		return false
	}
	if n.last, ok = parseSBN(last); !ok {
		return false
	}
	return n.first <= n.last && n.last-n.first < MaxRange
}

// parseSBN parses the decimal form of a block number, which has no leading zero.
func parseSBN(s string) (protocol.SBN, bool) {
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil || v >= protocol.MaxSBN || strconv.FormatUint(v, 10) != s {
		return 0, false
	}
	return protocol.SBN(v), true
}
