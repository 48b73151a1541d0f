package protocol

import (
	"encoding/binary"
	"net/netip"
)

// Place is one receiver in the roster.
type Place struct {
	Number   Number
	State    ReceiverState
	Permille uint16         // of the raw image's bytes written, 0..1000; 1000 only when done
	Peer     netip.AddrPort // its address, and the port of its peer service or 0
}

// Roster tells everyone who is here and how far, about once a second, in as
// many pages as it takes. A page sent to one receiver alone acknowledges its
// last report.
type Roster struct {
	Session SessionID
	Total   int     // receivers in all pages
	First   int     // index of Places[0] among them, First+len(Places) ≤ Total
	Places  []Place // ≤ RosterPage
}

// rosterFixed and placeSize are the lengths in bytes of a ROSTER without
// places, and of one place.
const (
	rosterFixed = HeaderSize + 4
	placeSize   = 4 + 1 + 2 + 6
)

// RosterPlaces returns how many places a page may have on a path of this MTU.
func RosterPlaces(mtu int) int {
	return max(1, min(RosterPage, (mtu-ipUDP-rosterFixed)/placeSize))
}

// AppendBinary appends the whole datagram to b.
func (v *Roster) AppendBinary(b []byte) ([]byte, error) {
	if !v.valid() {
		return nil, ErrField
	}
	start := len(b)
	b = begin(b, TypeRoster, v.Session)
	b = binary.BigEndian.AppendUint16(b, uint16(v.Total))
	b = binary.BigEndian.AppendUint16(b, uint16(v.First))
	for _, p := range v.Places {
		b = binary.BigEndian.AppendUint32(b, uint32(p.Number))
		b = append(b, byte(p.State))
		b = binary.BigEndian.AppendUint16(b, p.Permille)
		b = appendAddrPort(b, p.Peer)
	}
	return seal(b, start), nil
}

// ParseRoster parses a ROSTER datagram into v, whose Places are reused. After
// an error v holds nothing of use.
func ParseRoster(d []byte, v *Roster) error {
	s, err := expect(d, TypeRoster)
	if err != nil {
		return err
	}
	c := cursor{b: d[HeaderSize:]}
	places := v.Places[:0]
	*v = Roster{Session: s, Total: int(c.u16()), First: int(c.u16())}
	for c.err == nil && len(c.b) > 0 {
		p := Place{Number: Number(c.u32()), State: ReceiverState(c.u8()), Permille: c.u16(), Peer: c.addrPort()}
		c.limit(len(places) < RosterPage && p.valid())
		places = append(places, p)
	}
	v.Places = places
	c.limit(v.valid())
	return c.end()
}

func (v *Roster) valid() bool {
	for i := range v.Places {
		if !v.Places[i].valid() {
			return false
		}
	}
	return v.First >= 0 && v.Total <= MaxReceivers &&
		len(v.Places) <= RosterPage && v.First+len(v.Places) <= v.Total
}

func (p *Place) valid() bool {
	return p.Number < MaxReceivers && p.State >= ReceiverJoined && p.State <= ReceiverGone &&
		p.Permille <= 1000 && (host(p.Peer.Addr()) || !p.Peer.IsValid())
}
