package protocol

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
)

// The golden vectors in testdata were written by a program that shares no code
// with this package. They are part of the wire format: from the first release
// on, a change of one is a change of Version.

const goldenSession SessionID = 0x0123456789abcdef

// sessionOf returns the session of the goldens of a type: who solicits knows
// none.
func sessionOf(t Type) SessionID {
	if t == TypeSolicit {
		return 0
	}
	return goldenSession
}

// hashSign stands for a signature: it depends on every byte that is signed and
// needs no key.
func hashSign(msg []byte) [SignatureSize]byte { return sha512.Sum512(msg) }

func countUp(from byte) (a [32]byte) {
	for i := range a {
		a[i] = from + byte(i)
	}
	return a
}

func goldenCookie() (c Cookie) {
	for i := range c {
		c[i] = 0xc0 + byte(i)
	}
	return c
}

func at(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func goldenAnnounce() Announce {
	return Announce{
		Session: goldenSession, Counter: 1753000000123456, State: SessionSending, ImageID: countUp(0),
		RawSize: 10 << 30, PackedSize: 1234567890, ManifestSize: 1474628, SymbolSize: 1408,
		Data: at("232.80.88.1:26970"), Report: at("192.0.2.1:40001"), HTTP: at("192.0.2.1:8080"),
		Highest: 987654321, IntervalMS: 250, Receivers: 24, Done: 3,
		Name: "lab-übung.img", PublicKey: countUp(0x20),
	}
}

func goldenReport() Report {
	return Report{
		Session: goldenSession, Number: 7, Cookie: goldenCookie(), Serial: 42,
		State: ReceiverReceiving, Object: ObjectImage, AsOf: 904321,
		RTTMicro: 850, Room: 3000, Buffer: 4096, Collecting: 12, Queued: 3,
		Counters: Counters{
			Received: 900000, Lost: 4321, Overflow: 17, Repaired: 4000, Written: 1234567890123,
			Shed: 2, Rejected: 1, Lanes: [3]uint32{4800, 5, 6},
			Gaps: 321, Longest: 45, Decoding: 98765, Writing: 4321, Stray: StrayUnknown,
		},
		Workers: 4, Cores: 2,
		From: 100, To: 40960,
		Deficits: []Deficit{{100, 1, 3}, {101, 200, NeedAll}, {5000, 1, 187}, {5001, 130, 1}, {40959, 1, NeedAll}},
	}
}

func goldenRoster() Roster {
	return Roster{Session: goldenSession, Total: 103, First: 100, Places: []Place{
		{Number: 0, State: ReceiverDone, Permille: 1000, Peer: at("192.0.2.10:26971")},
		{Number: 1, State: ReceiverReceiving, Permille: 437, Peer: at("192.0.2.11:0")},
		{Number: 4095, State: ReceiverGone, Permille: 12},
	}}
}

// goldens are the values of the files in testdata.
func goldens() map[string]any {
	cancelled := goldenAnnounce()
	cancelled.Counter++
	cancelled.Bench = true
	cancelled.State, cancelled.RawSize, cancelled.PackedSize = SessionCancelled, 1, 300
	cancelled.ManifestSize, cancelled.SymbolSize = 64, 8896
	cancelled.HTTP, cancelled.TFTP = netip.AddrPort{}, at("192.0.2.1:69")
	cancelled.Highest, cancelled.IntervalMS, cancelled.Receivers, cancelled.Done = 0, 5000, 0, 0
	cancelled.Name, cancelled.Reason = "", "image.gz: read: input/output error"

	failed := goldenReport()
	failed.State, failed.Object, failed.AsOf = ReceiverFailed, ObjectManifest, 0
	failed.Error = "/dev/sda: write: input/output error"
	failed.From, failed.To, failed.Deficits = 0, 0, nil

	bench := goldenReport()
	bench.Counters.Stray = 64
	bench.Recent = []Gap{{904321, 1}, {904100, 45}, {903000, 200}, {1, 1}}
	bench.From, bench.To, bench.Deficits = 7, 9, []Deficit{{7, 1, 2}}

	join := Join{Session: goldenSession, Receiver: 0x1111111111111111, Run: 0x2222222222222222, Nonce: 0x3333333333333333, Name: "pc-07"}
	joinCookie := join
	joinCookie.Cookie, joinCookie.Peer = goldenCookie(), 26971

	welcome := Welcome{Session: goldenSession, Receiver: join.Receiver, Nonce: join.Nonce}
	challenge, admitted, full := welcome, welcome, welcome
	challenge.Status, challenge.Cookie = WelcomeChallenge, goldenCookie()
	admitted.Status, admitted.Cookie, admitted.Number = WelcomeAdmitted, goldenCookie(), 4095
	full.Status = WelcomeFull

	repair := make([]byte, 64)
	for i := range repair {
		repair[i] = byte(i * 7)
	}
	return map[string]any{
		"announce": goldenAnnounce(), "announce-cancelled": cancelled,
		"data":        Data{Session: goldenSession, Object: ObjectImage, ESI: 186, SBN: 40959, FrameLen: 186*1408 + 5, Seq: 1<<32 + 1, Symbol: []byte("hello")},
		"data-repair": Data{Session: goldenSession, Object: ObjectManifest, ESI: 1, FrameLen: 60, Seq: 62, Symbol: repair},
		"flush":       Flush{Session: goldenSession, Seq: 1<<32 + 2},
		"join":        join, "join-cookie": joinCookie,
		"welcome-challenge": challenge, "welcome-admitted": admitted, "welcome-full": full,
		"report": goldenReport(), "report-failed": failed, "report-bench": bench,
		"roster": goldenRoster(), "solicit": Solicit{},
	}
}

// golden reads a vector: hex, with comments from # to the end of the line.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.TrimSpace(line))
	}
	d, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// parse parses d as a datagram of the type named, into a fresh value.
func parse(typ Type, d []byte) (any, error) {
	switch typ {
	case TypeAnnounce:
		v, _, err := ParseAnnounce(d)
		return v, err
	case TypeData:
		return ParseData(d)
	case TypeJoin:
		return ParseJoin(d)
	case TypeWelcome:
		v, _, err := ParseWelcome(d)
		return v, err
	case TypeReport:
		var v Report
		err := ParseReport(d, &v)
		return v, err
	case TypeRoster:
		var v Roster
		err := ParseRoster(d, &v)
		return v, err
	case TypeSolicit:
		return ParseSolicit(d)
	}
	return ParseFlush(d)
}

// appendTo appends the datagram of a parsed or golden value to b. A value with
// a signature keeps it, any other is signed by hashSign.
func appendTo(b []byte, v any) ([]byte, error) {
	signer := func(s [SignatureSize]byte) func([]byte) [SignatureSize]byte {
		if s == ([SignatureSize]byte{}) {
			return hashSign
		}
		return func([]byte) [SignatureSize]byte { return s }
	}
	switch v := v.(type) {
	case Announce:
		return v.AppendBinary(b, signer(v.Signature))
	case Data:
		return v.AppendBinary(b)
	case Join:
		return v.AppendBinary(b)
	case Welcome:
		return v.AppendBinary(b, signer(v.Signature))
	case Report:
		return v.AppendBinary(b)
	case Roster:
		return v.AppendBinary(b)
	case Flush:
		return v.AppendBinary(b)
	case Solicit:
		return v.AppendBinary(b)
	}
	panic("unknown datagram")
}

func TestGoldenVectorsBothWays(t *testing.T) {
	for name, value := range goldens() {
		t.Run(name, func(t *testing.T) {
			want := golden(t, name)
			prefix := []byte("kept")
			d, err := appendTo(prefix, value)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := bytes.CutPrefix(d, prefix); !ok || !bytes.Equal(got, want) {
				t.Errorf("appended\n %x, want\n %x", got, want)
			}
			h, err := ParseHeader(want)
			if err != nil || h.Session != sessionOf(h.Type) || !strings.HasPrefix(name, strings.ToLower(h.Type.String())) {
				t.Errorf("header is %v, %v", h, err)
			}
			got, err := parse(h.Type, want)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(unsigned(got), unsigned(value)) {
				t.Errorf("parsed\n %+v, want\n %+v", got, value)
			}
		})
	}
}

// unsigned returns v without its signature, and without the difference
// between no deficits and none left.
func unsigned(v any) any {
	switch v := v.(type) {
	case Announce:
		v.Signature = [SignatureSize]byte{}
		return v
	case Welcome:
		v.Signature = [SignatureSize]byte{}
		return v
	case Report:
		v.Deficits = append([]Deficit{}, v.Deficits...)
		v.Recent = append([]Gap{}, v.Recent...)
		return v
	}
	return v
}

func TestSignatureCoversEverythingFromTheMagicOn(t *testing.T) {
	for _, name := range []string{"announce", "announce-cancelled", "welcome-admitted", "welcome-full", "welcome-challenge"} {
		t.Run(name, func(t *testing.T) {
			d := golden(t, name)
			var signed []byte
			var signature [SignatureSize]byte
			if strings.HasPrefix(name, "announce") {
				v, s, err := ParseAnnounce(d)
				if err != nil {
					t.Fatal(err)
				}
				signed, signature = s, v.Signature
			} else {
				v, s, err := ParseWelcome(d)
				if err != nil {
					t.Fatal(err)
				}
				signed, signature = s, v.Signature
				if v.Status == WelcomeChallenge {
					if s != nil || signature != ([SignatureSize]byte{}) {
						t.Error("a challenge is not signed")
					}
					return
				}
			}
			if !bytes.Equal(signed, d[8:len(d)-SignatureSize]) {
				t.Errorf("signed is %x", signed)
			}
			if hashSign(signed) != signature {
				t.Error("signature differs from that of the vector")
			}
		})
	}
}

// TestNothingIsAmplified: what a sender answers to an address that nobody has
// proven is not longer than the question.
func TestNothingIsAmplified(t *testing.T) {
	long := goldenAnnounce()
	long.Name, long.Reason = strings.Repeat("n", MaxName), strings.Repeat("r", MaxText)
	for _, tt := range []struct {
		name             string
		question, answer any
	}{
		{"JOIN", Join{}, Welcome{Status: WelcomeChallenge, Cookie: goldenCookie()}},
		{"SOLICIT", Solicit{}, long},
	} {
		q, err := appendTo(nil, tt.question)
		if err != nil {
			t.Fatal(err)
		}
		a, err := appendTo(nil, tt.answer)
		if err != nil {
			t.Fatal(err)
		}
		if len(a) > len(q) {
			t.Errorf("a %s of %d bytes from a forged address is answered by %d", tt.name, len(q), len(a))
		}
		for n := HeaderSize; n < len(a); n++ { // a shorter question is none
			if _, err := parse(Type(q[11]), resealed(q[:n])); err == nil {
				t.Errorf("a %s of %d bytes would be answered by %d", tt.name, n, len(a))
			}
		}
	}
}
