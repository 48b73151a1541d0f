package dhcp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// Code is the number of an option.
type Code uint8

// Options that are read or written here (RFC 2132 unless said otherwise).
const (
	SubnetMask    Code = 1
	Router        Code = 3
	DNS           Code = 6
	HostName      Code = 12
	Domain        Code = 15
	BroadcastAddr Code = 28
	VendorInfo    Code = 43 // for PXE: PXE 2.1 §2.2.2
	RequestedAddr Code = 50
	LeaseTime     Code = 51
	MessageType   Code = 53
	ServerID      Code = 54
	Wanted        Code = 55
	Message       Code = 56
	RenewalTime   Code = 58
	RebindingTime Code = 59
	Class         Code = 60
	ClientID      Code = 61
	TFTPServer    Code = 66
	BootFile      Code = 67
	UserClass     Code = 77  // RFC 3004
	RelayInfo     Code = 82  // RFC 3046
	Architecture  Code = 93  // RFC 4578 §2.1
	MachineID     Code = 97  // RFC 4578 §2.3
	IPXE          Code = 175 // iPXE's own, with options inside
	padding       Code = 0
	end           Code = 255
)

// Type is what kind of message it is (option 53).
type Type uint8

// Types of messages (RFC 2132 §9.6).
const (
	Discover Type = 1
	Offer    Type = 2
	Request  Type = 3
	Decline  Type = 4
	Ack      Type = 5
	Nak      Type = 6
	Release  Type = 7
	Inform   Type = 8
)

// String returns the name in the RFC.
func (t Type) String() string {
	names := []string{1: "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"}
	if int(t) < len(names) && t > 0 {
		return names[t]
	}
	return "unknown message"
}

// Option is an option of a message, or one inside another option.
type Option struct {
	Code Code
	Data []byte
}

// Options are in their order on the wire, each code at most once.
type Options []Option

// parseOptions appends the options in b to all. The parts of one that comes
// several times are joined (RFC 3396).
func parseOptions(all Options, b []byte) (Options, error) {
	for len(b) > 0 {
		code := Code(b[0])
		if code == end {
			break
		}
		if code == padding {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return nil, errOption
		}
		data := b[2 : 2+int(b[1])]
		b = b[2+len(data):]
		if i := all.index(code); i >= 0 {
			all[i].Data = append(slices.Clip(all[i].Data), data...)
			continue
		}
		all = append(all, Option{code, bytes.Clone(data)})
	}
	return all, nil
}

// append writes the options and their end. Data of more than 255 bytes is split
// (RFC 3396).
func (o Options) append(dst []byte) []byte {
	for _, each := range o {
		data := each.Data
		for {
			n := min(len(data), 255)
			dst = append(append(dst, byte(each.Code), byte(n)), data[:n]...)
			if data = data[n:]; len(data) == 0 {
				break
			}
		}
		if each.Code == BootFile {
			// UEFI firmware (edk2's PxeBcParseDhcp4Packet) ends the name with a NUL where
			// it is, on the code of the next option. What is garbled so loses its mask,
			// and the machine declines its address.
			dst = append(dst, byte(padding))
		}
	}
	return append(dst, byte(end))
}

func (o Options) index(c Code) int {
	return slices.IndexFunc(o, func(each Option) bool { return each.Code == c })
}

// Get returns an option's data; nil for one that is not there.
func (o Options) Get(c Code) []byte {
	if i := o.index(c); i >= 0 {
		return o[i].Data
	}
	return nil
}

// Has reports whether an option is there.
func (o Options) Has(c Code) bool { return o.index(c) >= 0 }

// Addr returns an option that is one IPv4 address; the zero Addr for anything else.
func (o Options) Addr(c Code) netip.Addr {
	if d := o.Get(c); len(d) == 4 {
		return addr(d)
	}
	return netip.Addr{}
}

// Type returns the kind of the message, 0 if there is none: it is BOOTP.
func (o Options) Type() Type {
	if d := o.Get(MessageType); len(d) == 1 {
		return Type(d[0])
	}
	return 0
}

// Number16 returns an option of two bytes.
func (o Options) Number16(c Code) (n uint16, ok bool) {
	if d := o.Get(c); len(d) >= 2 {
		return binary.BigEndian.Uint16(d), true
	}
	return 0, false
}

// Add appends an option.
func (o *Options) Add(c Code, data ...byte) { *o = append(*o, Option{c, data}) }

// AddText appends an option that is text, without a NUL at its end.
func (o *Options) AddText(c Code, s string) { o.Add(c, []byte(s)...) }

// AddAddrs appends an option that is IPv4 addresses; none, no option.
func (o *Options) AddAddrs(c Code, all ...netip.Addr) {
	var data []byte
	for _, a := range all {
		if a.Is4() {
			data = append(data, a.AsSlice()...)
		}
	}
	if len(data) > 0 {
		o.Add(c, data...)
	}
}

// AddTime appends an option that is a time in seconds.
func (o *Options) AddTime(c Code, d time.Duration) {
	o.Add(c, binary.BigEndian.AppendUint32(nil, uint32(min(d/time.Second, 1<<32-1)))...)
}
