package querier

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// unhex reads a message as it is on the wire.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What we send, byte by byte: type, Max Resp Code 10 s, checksum, all groups,
// QRV 2, QQIC 125, no sources.
const generalQuery = "11 64 ec1e 00000000 02 7d 0000"

func TestGeneralQueryOnTheWire(t *testing.T) {
	timing, err := Timing{}.validate()
	if err != nil {
		t.Fatal(err)
	}
	got := appendGeneral([]byte("x"), timing)
	if want := unhex(t, generalQuery); string(got[:1]) != "x" || !bytes.Equal(got[1:], want) {
		t.Errorf("the general query is %x, want %x", got[1:], want)
	}
}

func TestParseQuery(t *testing.T) {
	group := netip.MustParseAddr("239.255.80.88")
	all := netip.IPv4Unspecified()
	for _, c := range []struct {
		name, message string
		want          Query
		wrong         string // part of the error
	}{
		{"version 3", generalQuery, Query{3, all, 10 * time.Second, 2, 125 * time.Second}, ""},
		{"version 3 with codes that are floating-point numbers", "11 8a e677 00000000 07 fe 0000", Query{3, all, 20800 * time.Millisecond, 7, 30720 * time.Second}, ""},
		{"version 3 about a group and a source, with a trailer", "11 0a dae1 efff5058 0a 7d 0001 0a4d0001 beef", Query{3, group, time.Second, 2, 125 * time.Second}, ""},
		{"version 2", "11 64 ee9b 00000000", Query{2, all, 10 * time.Second, 0, 0}, ""},
		{"version 2 about a group", "11 0a ae9d efff5058", Query{2, group, time.Second, 0, 0}, ""},
		{"version 1", "11 00 eeff 00000000", Query{1, all, 0, 0, 0}, ""},
		{"a report", "22 00 ddff 00000000", Query{}, "not a query"},
		{"nothing", "", Query{}, "0 bytes"},
		{"seven bytes", "11 64 ee9b 000000", Query{}, "7 bytes"},
		{"a length between the versions", "11 64 ee9b 00000000 0000", Query{}, "10 bytes"},
		{"a bit that flipped", "11 65 ee9b 00000000", Query{}, "checksum"},
		{"a group that is none", "11 64 e44d 0a4d0001", Query{}, "not a multicast group"},
		{"a source too many", "11 64 ec1d 00000000 02 7d 0001", Query{}, "1 sources names 0"},
		{"sources without end", "11 64 ec1e 00000000 02 7d ffff", Query{}, "65535 sources names 0"},
	} {
		got, err := ParseQuery(unhex(t, c.message))
		switch {
		case c.wrong == "" && (err != nil || got != c.want):
			t.Errorf("%s: %+v (%v), want %+v", c.name, got, err, c.want)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s: %+v (%v), want an error with %q", c.name, got, err, c.wrong)
		}
	}
}

// RFC 3376 §4.1.1 gives 31744 as the largest value.
func TestCodes(t *testing.T) {
	for v := range maxCode + 1 {
		if got := decode(encode(v)); got > v || v < 128 && got != v {
			t.Fatalf("%d is told as %d", v, got)
		}
	}
	for code := range 256 {
		if got := encode(decode(byte(code))); int(got) != code {
			t.Errorf("code %#x stands for %d, which has the code %#x", code, decode(byte(code)), got)
		}
	}
	if decode(0xff) != maxCode || decode(encode(1e9)) != maxCode || encode(-1) != 0 {
		t.Error("a number out of bounds is not told as the bound")
	}
}

func TestTiming(t *testing.T) {
	for _, bad := range []Timing{
		{Robustness: 8, Interval: time.Minute, Response: time.Second},
		{Interval: time.Minute, Response: time.Second},
		{Robustness: 2, Response: time.Second},
		{Robustness: 2, Interval: 10 * time.Hour, Response: time.Second},
		{Robustness: 2, Interval: time.Second, Response: time.Second},
		{Robustness: 2, Interval: time.Minute},
	} {
		if _, err := bad.validate(); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// A message is refused or has an answer within what its fields can say; what we
// send ourselves is understood.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{generalQuery, "11 64 ee9b 00000000", "11 0a dae1 efff5058 0a 7d 0001 0a4d0001 beef", "11 8a e677 00000000 07 fe 0000"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseQuery(b)
		if err != nil {
			return
		}
		if q.Version < 1 || q.Version > 3 || q.Robustness > maxRobustness || q.Interval > maxCode*intervalUnit || q.Response > maxCode*responseUnit {
			t.Fatalf("%x is %+v", b, q)
		}
		own := netip.MustParseAddr("10.0.0.5")
		timing, _ := Timing{}.validate()
		now := time.Unix(0, 0)
		e := newElection(own, On, timing, now)
		e.due(now)
		e.hear(now, netip.MustParseAddr("10.0.0.4"), q)
		if wait := e.next.Sub(now); e.role != Silent || wait < minPresence || wait > maxPresence {
			t.Fatalf("%+v silences us (%v) for %v", q, e.role, wait)
		}
		told := Timing{q.Robustness, q.Interval, q.Response}
		if _, err := told.validate(); err != nil || told == (Timing{}) {
			return
		}
		again, err := ParseQuery(appendGeneral(nil, told))
		if want := (Query{3, netip.IPv4Unspecified(), told.Response, told.Robustness, told.Interval}); err != nil || again != want {
			t.Fatalf("what we send of %+v is read as %+v (%v)", told, again, err)
		}
	})
}
