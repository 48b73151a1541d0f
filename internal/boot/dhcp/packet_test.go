package dhcp

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

// discover is what QEMU's network card sends first, an iPXE of 2019: UDP's data.
const ipxeDiscover = "01010600d1e2f3a4000400000000000000000000000000000000000052540012345600000000000000000000" // and zeros to the options

// asked returns a message with options after the fixed part.
func asked(t testing.TB, fixed string, options ...string) []byte {
	t.Helper()
	b := make([]byte, header)
	h, err := hex.DecodeString(fixed)
	if err != nil {
		t.Fatal(err)
	}
	copy(b, h)
	b = append(b, 0x63, 0x82, 0x53, 0x63)
	for _, o := range options {
		h, err := hex.DecodeString(strings.ReplaceAll(o, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, h...)
	}
	return append(b, 0xff)
}

func TestParse(t *testing.T) {
	b := asked(t, ipxeDiscover, "35 01 01", "39 02 05c0", "5d 02 0000", "3c 20 "+hex.EncodeToString([]byte("PXEClient:Arch:00000:UNDI:002001")),
		"4d 04 69505845", "af 06 130101 110101", "3d 07 01525400123456", "61 11 00 44332211 6655 8877 99aabbccddeeff00")
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if p.XID != 0xd1e2f3a4 || p.Secs != 4 || p.Options.Type() != Discover || p.MAC.String() != "52:54:00:12:34:56" || p.CIAddr.IsValid() {
		t.Errorf("%+v", p)
	}
	want := Client{MAC: MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}, UUID: "11223344-5566-7788-99aa-bbccddeeff00", Arch: BIOS, Kind: PXE, IPXE: true}
	if got := ClientOf(p); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// What is not DHCP of an Ethernet card is refused, at whatever byte it is cut.
func TestParseRefuses(t *testing.T) {
	good := asked(t, ipxeDiscover, "35 01 01", "3c 03 414243")
	for n := range good {
		p, err := Parse(good[:n])
		switch {
		case n < firstOpt && err == nil:
			t.Errorf("%d bytes are taken", n)
		case err == nil && p.Options.Has(Class) && len(p.Options.Get(Class)) != 3:
			t.Errorf("%d bytes: %v", n, p.Options)
		}
	}
	for why, change := range map[string]func(b []byte) []byte{
		"op":        func(b []byte) []byte { b[0] = 3; return b },
		"tokenring": func(b []byte) []byte { b[1] = 6; return b },
		"length":    func(b []byte) []byte { b[2] = 16; return b },
		"magic":     func(b []byte) []byte { b[header] = 0; return b },
		"option":    func(b []byte) []byte { return append(b[:firstOpt], 53, 200, 1) },
		"long":      func(b []byte) []byte { return append(b, make([]byte, longest)...) },
	} {
		if p, err := Parse(change(bytes.Clone(good))); err == nil {
			t.Errorf("%s: %+v", why, p)
		}
	}
}

// Options go on in the fields of the two names when option 52 says so, and one that
// comes in parts is joined.
func TestOptionsGoOn(t *testing.T) {
	b := asked(t, ipxeDiscover, "34 01 03", "3c 02 4142")
	copy(b[fileOffset:], "\x3c\x02CD\xff")
	copy(b[snameStart:], "\x3c\x01E\x0c\x02pc\xff")
	p, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if c, n := p.Options.Get(Class), p.Options.Get(HostName); string(c) != "ABCDE" || string(n) != "pc" || p.File != "" || p.SName != "" {
		t.Errorf("class %q, name %q, file %q, server %q", c, n, p.File, p.SName)
	}
}

// The golden offer, byte for byte, and back.
func TestAppend(t *testing.T) {
	p := &Packet{Reply: true, XID: 0x01020304, Flags: Broadcast, YIAddr: netip.MustParseAddr("10.0.0.100"), SIAddr: netip.MustParseAddr("10.0.0.1"),
		MAC: MAC{2, 0, 0, 0, 0, 9}, SName: "10.0.0.1", File: "core.0"}
	p.Options.Add(MessageType, byte(Offer))
	p.Options.AddAddrs(Router, netip.MustParseAddr("10.0.0.1"))
	p.Options.AddAddrs(DNS)
	p.Options.AddTime(LeaseTime, 3600e9)
	b, err := p.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "02010600" + "01020304" + "00008000" + "00000000" + "0a000064" + "0a000001" + "00000000" + "020000000009" + strings.Repeat("00", 10) +
		hex.EncodeToString([]byte("10.0.0.1")) + strings.Repeat("00", 56) + hex.EncodeToString([]byte("core.0")) + strings.Repeat("00", 122) +
		"63825363" + "350102" + "03040a000001" + "330400000e10" + "ff"
	want += strings.Repeat("00", shortest-len(want)/2)
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	back, err := Parse(b)
	if err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("%+v, %v; want %+v", back, err, p)
	}
	if _, err := (&Packet{File: strings.Repeat("x", fileRoom)}).AppendBinary(nil); err == nil {
		t.Error("a name that doesn't fit is written")
	}
}

// What is parsed and written again is parsed as the same.
func FuzzParse(f *testing.F) {
	f.Add(asked(f, ipxeDiscover, "35 01 01", "af 06 130101 110101"))
	f.Add(asked(f, ipxeDiscover, "35 01 03", "34 01 03", "52 02 0102"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		ClientOf(p)
		if p.Options.Has(overload) || len(p.Options.append(nil)) > longest-firstOpt {
			return // written it has other fields, or more than one of these has room for
		}
		again, err := p.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(again)
		if err != nil || !same(back, p) {
			t.Fatalf("%+v, %v\nwant %+v", back, err, p)
		}
	})
}

// same compares messages; an option without data may be nil or not.
func same(a, b *Packet) bool {
	x, y := *a, *b
	x.Options, y.Options = nil, nil
	if !reflect.DeepEqual(x, y) || len(a.Options) != len(b.Options) {
		return false
	}
	for i := range a.Options {
		if a.Options[i].Code != b.Options[i].Code || !bytes.Equal(a.Options[i].Data, b.Options[i].Data) {
			return false
		}
	}
	return true
}
