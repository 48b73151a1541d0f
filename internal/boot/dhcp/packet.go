// Package dhcp gives PCs what they need to boot over the network: the boot file,
// beside the network's own DHCP server ([Proxy], as PXE 2.1 has it), or everything
// with an address ([Full], RFC 2131).
//
// What is answered is decided by [Server.Answer], a function of a packet, the leases
// and the time; [Listen] and [Socket] are the network around it.
package dhcp

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// Packet is a DHCP message (RFC 2131 §2).
type Packet struct {
	Reply   bool // op is BOOTREPLY
	Hops    uint8
	XID     uint32
	Secs    uint16
	Flags   uint16
	CIAddr  netip.Addr // of the client, which uses it; the zero Addr for 0.0.0.0, as in the others
	YIAddr  netip.Addr // for the client
	SIAddr  netip.Addr // of the server to boot from
	GIAddr  netip.Addr // of the relay
	MAC     MAC
	SName   string // at most 63 bytes
	File    string // at most 127 bytes
	Options Options
}

// MAC is the address of an Ethernet card.
type MAC [6]byte

// String returns the usual form, "52:54:00:12:34:56".
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, v := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[v>>4], digits[v&15])
	}
	return string(b)
}

// Broadcast is the flag by which a client asks for answers by broadcast.
const Broadcast = 0x8000

// Sizes in bytes.
const (
	header     = 236                        // before the magic
	shortest   = 300                        // of a BOOTP message (RFC 1542 §2.1): relays and old ROMs drop what is shorter
	longest    = 1500                       // that is looked at: what an Ethernet frame holds
	snameRoom  = 64                         //
	fileRoom   = 128                        //
	fileOffset = header - fileRoom          //
	snameStart = fileOffset - snameRoom     //
	etherLen   = 6                          //
	magic      = uint32(0x63825363)         // before the options (RFC 2131 §3)
	overload   = Code(52)                   // options go on in file, sname or both
	hwStart    = 28                         // of the client's hardware address
	ethernet   = 1                          // hardware type
	bootReply  = byte(2)                    //
	bootAsk    = byte(1)                    //
	addrs      = 12                         // of the first of the four addresses
	firstOpt   = header + len("\x63\x82Sc") // offset of the options
)

// Errors of Parse.
var (
	errShort    = errors.New("too short for DHCP")
	errLong     = errors.New("too long for DHCP")
	errMagic    = errors.New("BOOTP without DHCP's options")
	errHardware = errors.New("hardware address is not Ethernet's")
	errOp       = errors.New("neither request nor reply")
	errOption   = errors.New("an option goes past the end")
)

// Parse parses a message. Errors: what comes is not DHCP of an Ethernet card, or
// its options are broken.
func Parse(b []byte) (*Packet, error) {
	switch {
	case len(b) < firstOpt:
		return nil, errShort
	case len(b) > longest:
		return nil, errLong
	case b[0] != bootAsk && b[0] != bootReply:
		return nil, errOp
	case b[1] != ethernet || b[2] != etherLen:
		return nil, errHardware
	case binary.BigEndian.Uint32(b[header:]) != magic:
		return nil, errMagic
	}
	p := &Packet{
		Reply: b[0] == bootReply, Hops: b[3], XID: binary.BigEndian.Uint32(b[4:]),
		Secs: binary.BigEndian.Uint16(b[8:]), Flags: binary.BigEndian.Uint16(b[10:]),
		CIAddr: addr(b[addrs:]), YIAddr: addr(b[addrs+4:]), SIAddr: addr(b[addrs+8:]), GIAddr: addr(b[addrs+12:]),
		MAC: MAC(b[hwStart : hwStart+etherLen]),
	}
	var err error
	if p.Options, err = parseOptions(nil, b[firstOpt:]); err != nil {
		return nil, err
	}
	sname, file := b[snameStart:fileOffset], b[fileOffset:header]
	held := byte(0)
	if o := p.Options.Get(overload); len(o) == 1 {
		held = o[0]
	}
	if held&1 != 0 {
		p.Options, err = parseOptions(p.Options, file)
	} else {
		p.File = text(file)
	}
	if err != nil {
		return nil, err
	}
	if held&2 != 0 {
		p.Options, err = parseOptions(p.Options, sname)
	} else {
		p.SName = text(sname)
	}
	return p, err
}

// AppendBinary appends the message as it is on the wire; it implements
// encoding.BinaryAppender. Text that is too long is an error.
func (p *Packet) AppendBinary(dst []byte) ([]byte, error) {
	if len(p.SName) >= snameRoom || len(p.File) >= fileRoom {
		return dst, errLong
	}
	start := len(dst)
	dst = append(dst, make([]byte, firstOpt)...)
	b := dst[start:]
	b[0], b[1], b[2], b[3] = bootAsk, ethernet, etherLen, p.Hops
	if p.Reply {
		b[0] = bootReply
	}
	binary.BigEndian.PutUint32(b[4:], p.XID)
	binary.BigEndian.PutUint16(b[8:], p.Secs)
	binary.BigEndian.PutUint16(b[10:], p.Flags)
	for i, a := range []netip.Addr{p.CIAddr, p.YIAddr, p.SIAddr, p.GIAddr} {
		if a.Is4() {
			copy(b[addrs+4*i:], a.AsSlice())
		}
	}
	copy(b[hwStart:], p.MAC[:])
	copy(b[snameStart:], p.SName)
	copy(b[fileOffset:], p.File)
	binary.BigEndian.PutUint32(b[header:], magic)
	dst = p.Options.append(dst)
	for len(dst)-start < shortest {
		dst = append(dst, 0)
	}
	return dst, nil
}

// addr returns the address at the beginning of b, the zero Addr for 0.0.0.0.
func addr(b []byte) netip.Addr {
	a := netip.AddrFrom4([4]byte(b[:4]))
	if a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

// text returns a field up to its first NUL.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b[:len(b)-1])
}
