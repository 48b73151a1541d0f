package protocol

import (
	"encoding/binary"
	"net/netip"
	"unicode"
	"unicode/utf8"
)

// cursor reads the fields of a datagram in order. After the first error it
// returns zeros, so that a parser checks once, at its end.
type cursor struct {
	b   []byte
	err error
}

// zeros stands for fields that a cut datagram lacks; only text is longer, and
// is not taken after an error.
var zeros [SignatureSize]byte

func (c *cursor) take(n int) []byte {
	if c.err == nil && len(c.b) < n {
		c.err = ErrTruncated
	}
	if c.err != nil {
		return zeros[:n]
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

func (c *cursor) u8() uint8 { return c.take(1)[0] }

// bit reads a byte that is 0 or 1.
func (c *cursor) bit() bool {
	b := c.u8()
	c.limit(b <= 1)
	return b == 1
}

func (c *cursor) u16() uint16 { return binary.BigEndian.Uint16(c.take(2)) }
func (c *cursor) u32() uint32 { return binary.BigEndian.Uint32(c.take(4)) }
func (c *cursor) u64() uint64 { return binary.BigEndian.Uint64(c.take(8)) }

// limit refuses the datagram unless the condition on a field just read holds.
func (c *cursor) limit(ok bool) {
	if c.err == nil && !ok {
		c.err = ErrField
	}
}

// text reads a length byte and as many bytes of printable UTF-8: it ends on
// somebody's terminal.
func (c *cursor) text(most int) string {
	n := int(c.u8())
	c.limit(n <= most)
	if c.err == nil && len(c.b) < n {
		c.err = ErrTruncated
	}
	if c.err != nil {
		return ""
	}
	s := string(c.take(n))
	c.limit(printable(s))
	return s
}

func (c *cursor) addrPort() netip.AddrPort {
	a := netip.AddrFrom4([4]byte(c.take(4)))
	p := c.u16()
	if a.IsUnspecified() && p == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, p)
}

// uvarint reads one minimally encoded unsigned varint of at most 32 bits.
func (c *cursor) uvarint() uint32 {
	if c.err != nil {
		return 0
	}
	v, n := binary.Uvarint(c.b)
	if n == 0 {
		c.err = ErrTruncated
		return 0
	}
	if n < 0 || v > 1<<32-1 || n > 1 && c.b[n-1] == 0 {
		c.err = ErrField
		return 0
	}
	c.b = c.b[n:]
	return uint32(v)
}

func (c *cursor) end() error {
	if c.err == nil && len(c.b) != 0 {
		c.err = ErrTrailing
	}
	return c.err
}

func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

// Text returns s cut to most bytes and made printable, fit for a text field.
func Text(s string, most int) string {
	out := make([]byte, 0, min(len(s), most))
	for _, r := range s {
		if !unicode.IsPrint(r) {
			r = ' '
		}
		if len(out)+utf8.RuneLen(r) > most {
			break
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}

func appendText(b []byte, s string, most int) ([]byte, error) {
	if len(s) > most || !printable(s) {
		return nil, ErrField
	}
	return append(append(b, byte(len(s))), s...), nil
}

func bit(on bool) byte {
	if on {
		return 1
	}
	return 0
}

// host reports whether a is the IPv4 address of one machine. Sockets give
// IPv4 addresses in IPv6 dress at times; on the wire they are the same.
func host(a netip.Addr) bool {
	a = a.Unmap()
	return a.Is4() && !a.IsUnspecified() && !a.IsMulticast() && a != broadcast
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// service reports whether something can listen at a.
func service(a netip.AddrPort) bool { return host(a.Addr()) && a.Port() != 0 }

// dataGroup reports whether a is a source-specific group and port (RFC 4607
// §1: 232/8, of which the first 256 are not for hosts to choose).
func dataGroup(a netip.AddrPort) bool {
	if !a.Addr().Unmap().Is4() {
		return false
	}
	ip := a.Addr().Unmap().As4()
	return ip[0] == 232 && ip[1]|ip[2] != 0 && a.Port() != 0
}

// appendAddrPort appends an address that is host or none at all.
func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	ip := [4]byte{}
	if a.IsValid() {
		ip = a.Addr().Unmap().As4()
	}
	return binary.BigEndian.AppendUint16(append(b, ip[:]...), a.Port())
}
