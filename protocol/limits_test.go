package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// A field of a golden datagram, the values at its limits and those just beyond.
type field struct {
	file          string
	name          string
	offset, width int
	good, bad     []uint64
}

var fields = []field{
	{"announce", "state", 28, 1, []uint64{1, 5}, []uint64{0, 6, 255}},
	{"announce", "bench", 29, 1, []uint64{0, 1}, []uint64{2, 255}},
	{"announce", "raw size", 62, 8, []uint64{1, 16 << 40}, []uint64{0, 16<<40 + 1, 1 << 63}},
	{"announce", "packed size", 70, 8, []uint64{1, 32 << 40}, []uint64{0, 32<<40 + 1, 1<<64 - 1}},
	{"announce", "manifest size", 78, 4, []uint64{1, 128 << 20}, []uint64{0, 128<<20 + 1, 1 << 31}},
	{"announce", "symbol size", 82, 4, []uint64{448, 512, 65408}, []uint64{0, 384, 1407, 1409, 65472, 1 << 31}},
	{"announce", "data group", 86, 4, []uint64{0xe8000100, 0xe8ffffff}, []uint64{0, 0xe8000000, 0xe80000ff, 0xe7ffffff, 0xe9000000, 0xefff5058}},
	{"announce", "data port", 90, 2, []uint64{1, 65535}, []uint64{0}},
	{"announce", "report address", 92, 4, []uint64{0x7f000001, 0xdfffffff}, []uint64{0, 0xe0000000, 0xefffffff, 0xffffffff}},
	{"announce", "report port", 96, 2, []uint64{1, 65535}, []uint64{0}},
	{"announce", "HTTP address", 98, 4, []uint64{0x7f000001}, []uint64{0, 0xe0000000, 0xffffffff}},
	{"announce", "HTTP port", 102, 2, []uint64{1, 65535}, []uint64{0}},
	{"announce", "TFTP", 104, 6, []uint64{0, 0x7f0000010045}, []uint64{1, 0x7f0000010000, 0xe00000010045}},
	{"announce", "highest", 110, 8, []uint64{0, 1<<64 - 1}, nil},
	{"announce", "report interval", 118, 2, []uint64{1, 5000}, []uint64{0, 5001}},
	{"announce", "receivers", 120, 2, []uint64{3, 4096}, []uint64{2, 4097}},
	{"announce", "done", 122, 2, []uint64{0, 24}, []uint64{25}},
	{"data", "object", 20, 1, []uint64{0, 1}, []uint64{2}},
	{"data", "reserved", 21, 1, []uint64{0}, []uint64{1, 255}},
	{"data", "ESI", 22, 2, []uint64{0, 65535}, nil},
	{"data", "SBN", 24, 4, []uint64{0, 1<<26 - 1}, []uint64{1 << 26, 1<<32 - 1}},
	{"data", "frame length", 28, 4, []uint64{1, 263296}, []uint64{0, 263297, 1 << 31}},
	{"data", "sequence", 32, 8, []uint64{1, 1<<64 - 1}, []uint64{0}},
	{"flush", "sequence", 20, 8, []uint64{1, 1<<64 - 1}, []uint64{0}},
	{"join", "peer", 60, 2, []uint64{0, 1, 65535}, nil},
	{"solicit", "session", 12, 8, []uint64{0}, []uint64{1, 1 << 63}},
	{"solicit", "first zeros", 20, 8, []uint64{0}, []uint64{1, 1 << 63}},
	{"solicit", "last zeros", 438, 8, []uint64{0}, []uint64{1, 1 << 63}},
	{"welcome-challenge", "status", 36, 1, []uint64{1}, []uint64{0, 4}},
	{"welcome-challenge", "number", 37, 4, []uint64{0}, []uint64{1}},
	{"welcome-admitted", "status", 36, 1, []uint64{2}, []uint64{0, 1, 3, 4, 255}},
	{"welcome-admitted", "number", 37, 4, []uint64{0, 4095}, []uint64{4096, 1 << 31}},
	{"welcome-full", "status", 36, 1, []uint64{2, 3}, []uint64{0, 1, 4}},
	{"welcome-full", "number", 37, 4, []uint64{0}, []uint64{1}},
	{"report", "number", 20, 4, []uint64{0, 4095}, []uint64{4096}},
	{"report", "state", 44, 1, []uint64{1, 6}, []uint64{0, 7, 255}},
	{"report", "object", 45, 1, []uint64{0, 1}, []uint64{2}},
	{"report-failed", "from and to", 195, 8, []uint64{0, 1 << 26, 1<<58 | 1<<26}, []uint64{1 << 32, 1<<26 + 1}},
	{"report", "to", 164, 4, []uint64{40960, 1 << 26}, []uint64{40959, 99, 0, 1<<26 + 1}},
	{"report", "need", 170, 1, []uint64{0, 1, 127}, nil},
	{"report", "need of two bytes", 178, 2, []uint64{0xbb01, 0xcc04}, []uint64{0xcd04, 0xff7f, 0xbb00, 0x8000}},
	{"report", "count of two bytes", 172, 2, []uint64{0xc801}, []uint64{0x8000, 0xc800}},
	{"report", "counters of losses and work", 134, 4, []uint64{0, 1<<32 - 1}, nil},
	{"report", "stray", 150, 4, []uint64{0, 1<<32 - 1}, nil},
	{"report-bench", "bytes of gaps", 159, 1, []uint64{13}, []uint64{12, 193, 255}},
	{"report-bench", "latest gap", 160, 2, []uint64{0x0001}, []uint64{0x0000, 0x8001}},
	{"report-bench", "gap of two bytes", 162, 3, []uint64{0xb0012d}, []uint64{0xb08001, 0xb00100}},
	{"report-bench", "gap that begins at Seq 1", 169, 4, []uint64{0xd68e3701}, []uint64{0xd68e3702, 0xd78e3701, 0xd68e3700, 0xff8e7f01}},
	{"roster", "total", 20, 2, []uint64{103, 4096}, []uint64{102, 4097}},
	{"roster", "first", 22, 2, []uint64{0, 100}, []uint64{101, 65535}},
	{"roster", "number", 24, 4, []uint64{0, 4095}, []uint64{4096}},
	{"roster", "state", 28, 1, []uint64{1, 7}, []uint64{0, 8}},
	{"roster", "permille", 29, 2, []uint64{0, 1000}, []uint64{1001}},
	{"roster", "peer", 31, 6, []uint64{0, 0xc00002010000, 0xc0000201ffff}, []uint64{1, 0xe00000010001, 0xffffffff0001}},
}

func TestFieldsAtTheirLimitsAndBeyond(t *testing.T) {
	for _, f := range fields {
		t.Run(f.file+"/"+f.name, func(t *testing.T) {
			with := func(v uint64) []byte {
				d := golden(t, f.file)
				var b [8]byte
				binary.BigEndian.PutUint64(b[:], v)
				copy(d[f.offset:f.offset+f.width], b[8-f.width:])
				return resealed(d)
			}
			for _, v := range f.good {
				d := with(v)
				got, err := parse(Type(d[11]), d)
				if err != nil {
					t.Errorf("%#x: %v", v, err)
					continue
				}
				checkSame(t, d, got)
			}
			for _, v := range f.bad {
				d := with(v)
				if got, err := parse(Type(d[11]), d); !errors.Is(err, ErrField) && !errors.Is(err, ErrTrailing) && !errors.Is(err, ErrTruncated) {
					t.Errorf("%#x passes as %+v, %v", v, got, err)
				}
			}
		})
	}
}

func TestNothingIsAppendedThatWouldBeRefused(t *testing.T) {
	symbol := make([]byte, MaxSymbolSize+1)
	v6 := at("[2001:db8::1]:80")
	for i, bad := range []any{
		change(goldenAnnounce(), func(v *Announce) { v.State = 0 }),
		change(goldenAnnounce(), func(v *Announce) { v.RawSize = -1 }),
		change(goldenAnnounce(), func(v *Announce) { v.PackedSize = MaxPacked + 1 }),
		change(goldenAnnounce(), func(v *Announce) { v.ManifestSize = 1<<32 + 5 }),
		change(goldenAnnounce(), func(v *Announce) { v.SymbolSize = 1400 }),
		change(goldenAnnounce(), func(v *Announce) { v.IntervalMS = 65536 + 250 }),
		change(goldenAnnounce(), func(v *Announce) { v.Receivers = 65536 + 24 }),
		change(goldenAnnounce(), func(v *Announce) { v.Receivers, v.Done = -1, -1 }),
		change(goldenAnnounce(), func(v *Announce) { v.Done = -1 }),
		change(goldenAnnounce(), func(v *Announce) { v.Data = at("239.1.1.1:5000") }),
		change(goldenAnnounce(), func(v *Announce) { v.Data = at("[ff3e::1]:5000") }),
		change(goldenAnnounce(), func(v *Announce) { v.Report = netip.AddrPort{} }),
		change(goldenAnnounce(), func(v *Announce) { v.HTTP = v6 }),
		change(goldenAnnounce(), func(v *Announce) { v.TFTP = v6 }),
		change(goldenAnnounce(), func(v *Announce) { v.Name = strings.Repeat("n", MaxName+1) }),
		change(goldenAnnounce(), func(v *Announce) { v.Reason = strings.Repeat("r", MaxText+1) }),
		change(goldenAnnounce(), func(v *Announce) { v.Name = "\x1b[2J" }),
		Data{FrameLen: 1, Seq: 1},
		Data{FrameLen: 1, Seq: 1, Symbol: symbol},
		Data{FrameLen: 1, Symbol: symbol[:1]},
		Data{FrameLen: 1<<32 + 1, Seq: 1, Symbol: symbol[:1]},
		Data{FrameLen: 1, Seq: 1, Object: 2, Symbol: symbol[:1]},
		Flush{},
		Join{Name: strings.Repeat("n", MaxName+1)},
		Join{Name: "\xff"},
		Welcome{},
		Welcome{Status: WelcomeAdmitted, Number: MaxReceivers},
		Welcome{Status: WelcomeChallenge, Number: 1},
		change(goldenReport(), func(v *Report) { v.State = ReceiverGone }),
		change(goldenReport(), func(v *Report) { v.Error = strings.Repeat("e", MaxText+1) }),
		change(goldenReport(), func(v *Report) { v.From = 101 }),
		change(goldenReport(), func(v *Report) { v.To = 40959 }),
		change(goldenReport(), func(v *Report) { v.To = MaxSBN + 1 }),
		change(goldenReport(), func(v *Report) { v.From, v.To, v.Deficits = 2, 1, nil }),
		change(goldenReport(), func(v *Report) { v.Deficits = []Deficit{{100, 0, 1}} }),
		change(goldenReport(), func(v *Report) { v.Deficits = []Deficit{{100, 2, 1}, {101, 1, 1}} }),
		change(goldenReport(), func(v *Report) { v.Deficits = []Deficit{{200, 1<<32 - 1, 1}} }),
		change(goldenReport(), func(v *Report) { v.Deficits = []Deficit{{200, 1, MaxSymbols + 1}} }),
		change(goldenReport(), func(v *Report) { v.Recent = []Gap{{0, 1}} }),
		change(goldenReport(), func(v *Report) { v.Recent = []Gap{{5, 0}} }),
		change(goldenReport(), func(v *Report) { v.Recent = []Gap{{904321, 2}} }),
		change(goldenReport(), func(v *Report) { v.Recent = []Gap{{904000, 2}, {903999, 2}} }),
		change(goldenReport(), func(v *Report) { v.Recent = []Gap{{100, 2}, {200, 2}} }),
		change(goldenReport(), func(v *Report) { v.AsOf, v.Recent = 1<<40, []Gap{{1, 2}} }),
		change(goldenReport(), func(v *Report) { v.Recent = []Gap{{1<<64 - 1, 2}} }),
		change(goldenReport(), func(v *Report) {
			for i := range Seq(MaxGapBytes/2 + 1) {
				v.Recent = append(v.Recent, Gap{904321 - 2*i, 1})
			}
		}),
		change(goldenRoster(), func(v *Roster) { v.First = -1 }),
		change(goldenRoster(), func(v *Roster) { v.Total = MaxReceivers + 1 }),
		change(goldenRoster(), func(v *Roster) { v.Places[0].Peer = v6 }),
		change(goldenRoster(), func(v *Roster) { v.Places[0].Permille = 1001 }),
		change(goldenRoster(), func(v *Roster) { v.Places[0].State = 0 }),
		change(goldenRoster(), func(v *Roster) { v.Total, v.Places = MaxReceivers, make([]Place, RosterPage+1) }),
	} {
		if _, err := appendTo(nil, bad); !errors.Is(err, ErrField) {
			t.Errorf("case %d, %T: %v, want %v", i, bad, err, ErrField)
		}
	}
}

func change[T any](v T, f func(*T)) T {
	f(&v)
	return v
}

func TestIPv4InIPv6DressIsTheSameOnTheWire(t *testing.T) {
	v := goldenRoster()
	v.Places[0].Peer = netip.AddrPortFrom(netip.AddrFrom16(v.Places[0].Peer.Addr().As16()), v.Places[0].Peer.Port())
	d, err := v.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := golden(t, "roster"); string(d) != string(want) {
		t.Errorf("appended\n %x, want\n %x", d, want)
	}
}

// Every control datagram at its longest stays whole on an MTU of 1500; those
// of the handshake and the announcement on the smallest there is.
func TestLongestDatagrams(t *testing.T) {
	long := goldenAnnounce()
	long.Name, long.Reason = strings.Repeat("n", MaxName), strings.Repeat("r", MaxText)
	join := Join{Name: strings.Repeat("n", MaxName)}
	report := goldenReport()
	report.Error = strings.Repeat("e", MaxText)
	w := report.WriteDeficits(0, 1<<20)
	for i := SBN(0); w.Add(Deficit{i * 3, 1, 1}); i++ {
	}
	roster := Roster{Total: RosterPage, Places: make([]Place, RosterPage)}
	for i := range roster.Places {
		roster.Places[i].State = ReceiverJoined
	}
	for _, tt := range []struct {
		v        any
		min, max int
	}{
		{long, MaxAnnounce, MaxAnnounce}, {Solicit{}, 446, 576 - ipUDP}, {join, 127, 576 - ipUDP}, {roster, 1324, MaxDatagram}, {report, MaxDatagram - 2, MaxDatagram},
	} {
		d, err := appendTo(nil, tt.v)
		if err != nil || len(d) < tt.min || len(d) > tt.max {
			t.Errorf("%T is %d bytes long, want %d to %d, %v", tt.v, len(d), tt.min, tt.max, err)
			continue
		}
		got, err := parse(Type(d[11]), d)
		if err != nil {
			t.Errorf("%T: %v", tt.v, err)
			continue
		}
		checkSame(t, d, got)
	}
}

func TestReportLongerThanMaxDatagram(t *testing.T) {
	v := Report{State: ReceiverReceiving, To: MaxSBN}
	for i := range SBN((MaxDatagram-reportFixed)/3 + 1) {
		v.Deficits = append(v.Deficits, Deficit{i * 2, 1, 1})
	}
	if _, err := v.AppendBinary(nil); !errors.Is(err, ErrField) {
		t.Errorf("appended: %v, want %v", err, ErrField)
	}
	v.Deficits = v.Deficits[:len(v.Deficits)-1]
	d, err := v.AppendBinary(nil)
	if err != nil || len(d) > MaxDatagram {
		t.Fatalf("%d bytes, %v", len(d), err)
	}
	long := resealed(append(d, 0, 1, 1))
	if err := ParseReport(long, &v); len(long) <= MaxDatagram || !errors.Is(err, ErrField) {
		t.Errorf("parsed %d bytes: %v, want %v", len(long), err, ErrField)
	}
}

func TestSymbolAtItsLimitAndBeyond(t *testing.T) {
	v := Data{FrameLen: MaxFrame, SBN: MaxSBN - 1, ESI: MaxSymbols + MaxRepair - 1, Seq: 1, Symbol: make([]byte, MaxSymbolSize)}
	d, err := v.AppendBinary(nil)
	if err != nil || len(d) > 65507 {
		t.Fatalf("%d bytes, %v", len(d), err)
	}
	if _, err := ParseData(d); err != nil {
		t.Error(err)
	}
	if _, err := ParseData(resealed(append(d, 0))); !errors.Is(err, ErrField) {
		t.Errorf("symbol of %d bytes: %v, want %v", MaxSymbolSize+1, err, ErrField)
	}
}

func TestTextThatCouldHarmATerminalIsRefused(t *testing.T) {
	for text, good := range map[string]bool{
		"":                              true,
		"pc-07":                         true,
		"Übungsraum 3, 日本":              true,
		strings.Repeat("n", MaxName):    true,
		strings.Repeat("é", MaxName/2):  true,
		"\x1b[2J":                       false,
		"a\nb":                          false,
		"a\x00":                         false,
		"\x7f":                          false,
		"\u009b2J":                      false, // C1 control sequence introducer
		"\u202egnp.exe":                 false, // right-to-left override
		"\u2028":                        false,
		"\u00a0":                        false, // looks like a space and is none
		"cut \xc3":                      false,
		"\xed\xa0\x80":                  false, // surrogate
		strings.Repeat("n", MaxName+1):  false,
		strings.Repeat("n", MaxName+64): false,
	} {
		v := Join{Name: "pc-07"}
		d, err := v.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		d = append(append(d[:len(d)-6], byte(len(text))), text...)
		if got, err := ParseJoin(resealed(d)); (err == nil) != good || good && got.Name != text {
			t.Errorf("%q: %q, %v", text, got.Name, err)
		}
	}
}

func TestTextMadeFit(t *testing.T) {
	for _, tt := range []struct {
		in   string
		most int
		want string
	}{
		{"plain", 64, "plain"}, {"plain", 3, "pla"}, {"", 3, ""}, {"x", 0, ""},
		{"a\tb\nc\x1b", 64, "a b c "}, {"über", 1, ""}, {"über", 2, "ü"}, {"aü", 2, "a"},
		{"\xff", 3, "\ufffd"}, {"\xff", 2, ""}, {"\u202ex", 64, " x"},
	} {
		got := Text(tt.in, tt.most)
		if got != tt.want {
			t.Errorf("Text(%q, %d) = %q, want %q", tt.in, tt.most, got, tt.want)
		}
		if _, err := appendText(nil, got, tt.most); err != nil {
			t.Errorf("Text(%q, %d) = %q is refused: %v", tt.in, tt.most, got, err)
		}
	}
}

func TestNamesOfStates(t *testing.T) {
	for v, want := range map[fmt.Stringer]string{
		SessionGathering: "gathering", SessionCancelled: "cancelled", SessionState(0): "state 0", SessionState(6): "state 6",
		ReceiverJoined: "joined", ReceiverGone: "gone", ReceiverState(0): "state 0", ReceiverState(8): "state 8",
		TypeAnnounce: "ANNOUNCE", TypeSolicit: "SOLICIT", Type(0): "type 0", Type(9): "type 9",
	} {
		if got := v.String(); got != want {
			t.Errorf("%#v is called %q, want %q", v, got, want)
		}
	}
}

func TestRosterOfMoreThanAPage(t *testing.T) {
	d := resealed(append(golden(t, "roster")[:HeaderSize+4], make([]byte, 5000*13)...))
	copy(d[20:], []byte{0x10, 0, 0, 0})
	for i := range 5000 {
		d[HeaderSize+4+i*13+4] = byte(ReceiverJoined)
	}
	var v Roster
	if err := ParseRoster(resealed(d), &v); !errors.Is(err, ErrField) {
		t.Errorf("5000 places: %v, want %v", err, ErrField)
	}
	if cap(v.Places) > 2*RosterPage {
		t.Errorf("a datagram made us keep %d places", cap(v.Places))
	}
	for places, want := range map[int]error{RosterPage: nil, RosterPage + 1: ErrField} {
		if err := ParseRoster(resealed(d[:HeaderSize+4+places*13]), &v); !errors.Is(err, want) {
			t.Errorf("%d places: %v, want %v", places, err, want)
		}
	}
}

func TestNumbersOfDeficitsHaveOneForm(t *testing.T) {
	fixed := golden(t, "report")[:reportFixed]
	for _, tt := range []struct {
		name     string
		deficits string
		want     error
	}{
		{"shortest", "\x00\x01\x01", nil},
		{"gap with a needless zero byte", "\x80\x00\x01\x01", ErrField},
		{"count with a needless zero byte", "\x00\x81\x00\x01", ErrField},
		{"gap of 33 bits", "\x80\x80\x80\x80\x10\x01\x01", ErrField},
		{"count of 33 bits that is 1 in 32", "\x00\x81\x80\x80\x80\x10\x01", ErrField},
		{"need of 17 bits that is 1 in 16", "\x00\x01\x81\x80\x04", ErrField},
		{"gap of 70 bits", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x01", ErrField},
		{"gap without an end", "\x80", ErrTruncated},
		{"no count", "\x00", ErrTruncated},
		{"no need", "\x00\x01", ErrTruncated},
		{"count 0", "\x00\x00\x01", ErrField},
	} {
		var v Report
		d := resealed(append(fixed[:reportFixed:reportFixed], tt.deficits...))
		if err := ParseReport(d, &v); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
