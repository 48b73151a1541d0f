package protocol

import "slices"

// SolicitPorts is how many UDP ports, from that of Discovery on, a sender may
// have its report address at for a SOLICIT to find it: so many senders can be
// on one machine and be found by machines that no multicast reaches.
const SolicitPorts = 8

// SolicitPort returns the i-th of the SolicitPorts.
func SolicitPort(i int) uint16 { return Discovery.Port() + uint16(i) }

// Solicit asks a sender for its latest ANNOUNCE by unicast. It says nothing and
// is as long as the longest answer, so that nobody can be flooded through a
// sender.
type Solicit struct{}

// AppendBinary appends the whole datagram, MaxAnnounce bytes, to b.
func (*Solicit) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = begin(b, TypeSolicit, 0)
	b = append(b, make([]byte, MaxAnnounce-HeaderSize)...)
	return seal(b, start), nil
}

// ParseSolicit parses a SOLICIT datagram.
func ParseSolicit(d []byte) (Solicit, error) {
	s, err := expect(d, TypeSolicit)
	if err != nil {
		return Solicit{}, err
	}
	if len(d) < MaxAnnounce {
		return Solicit{}, ErrTruncated
	}
	c := cursor{b: d[MaxAnnounce:]}
	c.limit(s == 0 && !slices.ContainsFunc(d[HeaderSize:MaxAnnounce], func(b byte) bool { return b != 0 }))
	return Solicit{}, c.end()
}
