package protocol

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// Discovery is the group and port of announcements, in the administratively
// scoped range (RFC 2365 §6.1): routers keep it on the site.
var Discovery = netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 80, 88}), 26969)

// SessionState is where a session stands.
type SessionState uint8

// The states of a session, in their usual order.
const (
	SessionGathering SessionState = 1 // waiting for receivers
	SessionSending   SessionState = 2
	SessionLingering SessionState = 3 // all have it; open to late ones
	SessionEnded     SessionState = 4
	SessionCancelled SessionState = 5 // Reason says why
)

func (s SessionState) String() string {
	names := [...]string{"", "gathering", "sending", "lingering", "ended", "cancelled"}
	if int(s) < len(names) && s != 0 {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Over reports whether nothing more will come from this session.
func (s SessionState) Over() bool { return s == SessionEnded || s == SessionCancelled }

// SignatureSize is the length in bytes of an Ed25519 signature (RFC 8032).
const SignatureSize = 64

// Signature contexts: what is signed for one purpose can't be used for another.
const (
	ContextAnnounce = "pxecast announce v1"
	ContextWelcome  = "pxecast welcome v1"
)

// Announce tells the network that a session exists and where, at least four
// times a second while it is open.
type Announce struct {
	Session      SessionID
	Counter      uint64 // microseconds since 1970, strictly increasing per sender key and session: no replay
	State        SessionState
	Bench        bool // a measurement with a made-up image: nothing of it may be kept
	ImageID      [32]byte
	RawSize      int64          // bytes of the disk image
	PackedSize   int64          // bytes of the packed image's file
	ManifestSize int            // bytes
	SymbolSize   int            // bytes, multiple of 64
	Data         netip.AddrPort // the session's own group, in 232/8, joined source-specific
	Report       netip.AddrPort // where JOIN and REPORT go; also the source of the data
	HTTP, TFTP   netip.AddrPort // where blocks can be fetched; zero where not served
	Highest      Seq            // highest packet sequence sent so far; 0 none
	IntervalMS   int            // report interval in milliseconds
	Receivers    int            // joined and not gone
	Done         int            // of those, finished
	Name         string         // of the image, ≤ MaxName bytes
	Reason       string         // of a cancelled session, ≤ MaxText bytes
	PublicKey    [32]byte
	Signature    [SignatureSize]byte // over all bytes from magic to public key
}

// valid reports whether every field but the texts is within its limit; sizes
// beyond an int are negative here.
func (v *Announce) valid() bool {
	return v.State >= SessionGathering && v.State <= SessionCancelled &&
		v.RawSize > 0 && v.RawSize <= MaxRaw &&
		v.PackedSize > 0 && v.PackedSize <= MaxPacked &&
		v.ManifestSize > 0 && v.ManifestSize <= MaxManifest &&
		v.SymbolSize >= MinSymbolSize && v.SymbolSize <= MaxSymbolSize && v.SymbolSize%64 == 0 &&
		dataGroup(v.Data) && service(v.Report) &&
		(service(v.HTTP) || !v.HTTP.IsValid()) && (service(v.TFTP) || !v.TFTP.IsValid()) &&
		v.IntervalMS > 0 && v.IntervalMS <= MaxInterval &&
		v.Receivers >= 0 && v.Receivers <= MaxReceivers && v.Done >= 0 && v.Done <= v.Receivers
}

// AppendBinary appends the datagram, signed by sign over the bytes it is
// handed (context ContextAnnounce), to b.
func (v *Announce) AppendBinary(b []byte, sign func(msg []byte) [SignatureSize]byte) ([]byte, error) {
	if !v.valid() {
		return nil, ErrField
	}
	start := len(b)
	b = begin(b, TypeAnnounce, v.Session)
	b = binary.BigEndian.AppendUint64(b, v.Counter)
	b = append(b, byte(v.State), bit(v.Bench))
	b = append(b, v.ImageID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(v.RawSize))
	b = binary.BigEndian.AppendUint64(b, uint64(v.PackedSize))
	b = binary.BigEndian.AppendUint32(b, uint32(v.ManifestSize))
	b = binary.BigEndian.AppendUint32(b, uint32(v.SymbolSize))
	for _, a := range []netip.AddrPort{v.Data, v.Report, v.HTTP, v.TFTP} {
		b = appendAddrPort(b, a)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(v.Highest))
	b = binary.BigEndian.AppendUint16(b, uint16(v.IntervalMS))
	b = binary.BigEndian.AppendUint16(b, uint16(v.Receivers))
	b = binary.BigEndian.AppendUint16(b, uint16(v.Done))
	var err error
	if b, err = appendText(b, v.Name, MaxName); err != nil {
		return nil, err
	}
	if b, err = appendText(b, v.Reason, MaxText); err != nil {
		return nil, err
	}
	b = append(b, v.PublicKey[:]...)
	sig := sign(b[start+8:])
	return seal(append(b, sig[:]...), start), nil
}

// ParseAnnounce parses an ANNOUNCE datagram. signed is what the signature
// must cover; it aliases d. The caller verifies it: this package knows no keys.
func ParseAnnounce(d []byte) (v Announce, signed []byte, err error) {
	s, err := expect(d, TypeAnnounce)
	if err != nil {
		return Announce{}, nil, err
	}
	c := cursor{b: d[HeaderSize:]}
	v = Announce{Session: s, Counter: c.u64(), State: SessionState(c.u8()), Bench: c.bit()}
	v.ImageID = [32]byte(c.take(32))
	v.RawSize, v.PackedSize = int64(c.u64()), int64(c.u64())
	v.ManifestSize, v.SymbolSize = int(c.u32()), int(c.u32())
	v.Data, v.Report, v.HTTP, v.TFTP = c.addrPort(), c.addrPort(), c.addrPort(), c.addrPort()
	v.Highest = Seq(c.u64())
	v.IntervalMS, v.Receivers, v.Done = int(c.u16()), int(c.u16()), int(c.u16())
	v.Name, v.Reason = c.text(MaxName), c.text(MaxText)
	v.PublicKey = [32]byte(c.take(32))
	signed = d[8 : len(d)-min(len(d)-8, SignatureSize)]
	v.Signature = [SignatureSize]byte(c.take(SignatureSize))
	c.limit(v.valid())
	if err := c.end(); err != nil {
		return Announce{}, nil, err
	}
	return v, signed, nil
}
