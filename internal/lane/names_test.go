package lane

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// oddNames returns names that are near ours, or dear to those who look for other
// files; none is ours.
func oddNames(id string) []string {
	i := "images/" + id
	return []string{
		"", "/", "//", ".", "..", "../", "/..", "images", "images/", "images//", "IMAGES/" + id + "/manifest",
		"etc/passwd", "/etc/passwd", "//etc/passwd", "../etc/passwd", "../../../../etc/passwd", "..\\..\\etc\\passwd",
		"images/../etc/passwd", "images/..", "images/../../etc/shadow", "images/./" + id + "/manifest",
		"C:\\boot.ini", "file:///etc/passwd", "%2e%2e%2fetc%2fpasswd", "..%2f..%2fetc%2fpasswd", "%00", "pxelinux.0",
		i, i + "/", i + "//manifest", "/" + i + "/manifest", "./" + i + "/manifest", "images//" + id + "/manifest",
		i + "/manifest/", i + "/manifest/..", i + "/manifest/../have", i + "/manifest.", i + "/manifest%00", i + "/manifest?x", i + "/manifest#x",
		i + "/manifest\x01", i + "/manifest ", " " + i + "/manifest", i + "/Manifest", i + "/manifes", i + "/manifests", i + "/../" + id + "/manifest",
		"images/" + strings.ToUpper(id) + "/manifest", "images/" + id[:63] + "/manifest", "images/" + id + "0/manifest", "images/" + id[:62] + "zz/manifest",
		"images/" + id[:63] + "\u0660/manifest", "image/" + id + "/manifest", "images\\" + id + "\\manifest", "images%2f" + id + "/manifest",
		i + "/have/", i + "/have/1", i + "/block", i + "/block/", i + "/block/-1", i + "/block/+1", i + "/block/01", i + "/block/0x1", i + "/block/1.0", i + "/block/1e3",
		i + "/block/ 1", i + "/block/1 ", i + "/block/1/", i + "/block/1/..", i + "/block/1-2", i + "/block/\u0661", i + "/block/67108864", i + "/block/4294967296", i + "/block/99999999999999999999",
		i + "/blocks", i + "/blocks/", i + "/blocks/1", i + "/blocks/1-", i + "/blocks/-1", i + "/blocks/-", i + "/blocks/1--2", i + "/blocks/1-2-3", i + "/blocks/2-1",
		i + "/blocks/0-64", i + "/blocks/1_0-11", i + "/blocks/00-01", i + "/blocks/0-0x1", i + "/blocks/0-67108864", i + "/blocks/0-1/", i + "/blocks/../blocks/0-1", i + "/blocks/0,1",
		strings.Repeat("../", 40) + "etc/passwd", i + "/" + strings.Repeat("a", 300), strings.Repeat("/", 200), i + "/blocks/" + strings.Repeat("0", 100) + "1-2",
	}
}

func TestOnlyOurNamesAreNames(t *testing.T) {
	id := image.Sum([]byte("some image"))
	odd := oddNames(image.ID(id).String())
	for _, s := range odd {
		if n, ok := parseName(s); ok {
			t.Errorf("%q is taken for %v", s, n)
		}
	}
	if len(odd) < 50 {
		t.Errorf("only %d names", len(odd))
	}
}

func TestNamesAreReadAsTheyAreWritten(t *testing.T) {
	id := image.ID(image.Sum(nil))
	for _, n := range []name{
		{id: id, kind: manifestKind},
		{id: id, kind: haveKind},
		{id: id, kind: blockKind},
		{id: id, kind: blockKind, first: 17, last: 17},
		{id: id, kind: blockKind, first: protocol.MaxSBN - 1, last: protocol.MaxSBN - 1},
		{id: id, kind: blocksKind},
		{id: id, kind: blocksKind, first: 3, last: 9},
		{id: id, kind: blocksKind, first: protocol.MaxSBN - MaxRange, last: protocol.MaxSBN - 1},
	} {
		if got, ok := parseName(n.String()); !ok || got != n {
			t.Errorf("%v is read as %v, %v", n, got, ok)
		}
	}
}

func FuzzParseName(f *testing.F) {
	id := image.ID(image.Sum(nil)).String()
	for _, s := range oddNames(id) {
		f.Add(s)
	}
	f.Add("images/" + id + "/manifest")
	f.Add("images/" + id + "/have")
	f.Add("images/" + id + "/block/12")
	f.Add("images/" + id + "/blocks/12-75")
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := parseName(s)
		if !ok {
			return
		}
		if n.String() != s {
			t.Fatalf("%q is read as %q", s, n)
		}
		if n.last < n.first || n.last-n.first >= MaxRange || n.last >= protocol.MaxSBN {
			t.Fatalf("%q is read as blocks %d to %d", s, n.first, n.last)
		}
	})
}
