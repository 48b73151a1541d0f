package dhcp

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Mode is what a server does for whom.
type Mode uint8

const (
	// Proxy tells machines that boot where from, and leaves addresses to the
	// network's own DHCP server (PXE 2.1 §2.2.3).
	Proxy Mode = iota
	// Full gives out addresses, to all that ask.
	Full
)

// Config is what a server needs to know. Server, Subnet and Files must be set.
type Config struct {
	Mode   Mode
	Server netip.Addr   // this machine's own on the network
	Subnet netip.Prefix // of that network
	Files  Files

	// The rest is for Full only. First and Last must be set then.
	First, Last netip.Addr    // addresses to give out, both included
	Never       []netip.Addr  // not to be given out, beside Server, Router and DNS: what this machine has; default none
	Router      netip.Addr    // default none
	DNS         []netip.Addr  // default none
	Domain      string        // default none
	Lease       time.Duration // default an hour: classrooms change, and renewing costs two datagrams
}

// Validate returns what is wrong in words for people.
func (c *Config) Validate() error {
	switch {
	case !c.Server.Is4() || !c.Subnet.Contains(c.Server):
		return fmt.Errorf("the server's address %v is not in its network %v", c.Server, c.Subnet)
	case c.Mode == Proxy:
		return nil
	case !c.First.Is4() || !c.Last.Is4() || c.Last.Less(c.First):
		return errors.New("the range of addresses to give out has its first and its last address, such as 10.0.0.100-10.0.0.200")
	case !c.Subnet.Contains(c.First) || !c.Subnet.Contains(c.Last):
		return fmt.Errorf("the addresses %v to %v are not all in the network %v", c.First, c.Last, c.Subnet)
	case number(c.Last)-number(c.First) >= MaxRange:
		return fmt.Errorf("the addresses %v to %v are more than %d", c.First, c.Last, MaxRange)
	case len(c.Domain) > 255:
		return errors.New("the domain has more than 255 letters")
	}
	return nil
}

// lease is how long an address is given out for.
func (c *Config) lease() time.Duration { return cmp.Or(c.Lease, time.Hour) }

// leases returns the leases of a server that has given out none.
func (c *Config) leases() *Leases {
	never := []netip.Addr{c.Server, c.Router, c.Subnet.Masked().Addr(), broadcast(c.Subnet)}
	return NewLeases(c.First, c.Last, slices.Concat(never, c.DNS, c.Never)...)
}

func number(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// broadcast returns the broadcast address of a network.
func broadcast(p netip.Prefix) netip.Addr {
	n := number(p.Masked().Addr()) | (1<<(32-p.Bits()) - 1)
	return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// mask returns the subnet mask of a network.
func mask(p netip.Prefix) []byte {
	n := ^uint32(1<<(32-p.Bits()) - 1)
	return []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}
