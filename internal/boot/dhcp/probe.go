package dhcp

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Heard is a server that answers on a network.
type Heard struct {
	Server netip.Addr // as it names itself
	Gives  netip.Addr // address that it offers; the zero Addr: it is a proxy
	Boot   string     // boot file that it tells of, "" none
	From   netip.Addr // server that it says the file is on
}

// Probe looks for DHCP servers and proxies as a PC does that boots: it broadcasts a
// DISCOVER, again after half of wait, and returns who answered within wait. Nothing
// that is offered is taken. It asks for the card of the interface, which may have an
// address already.
func Probe(ctx context.Context, name string, wait time.Duration) ([]Heard, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	if len(i.HardwareAddr) != etherLen {
		return nil, fmt.Errorf("%s is not Ethernet", name)
	}
	s, err := open(name, netip.AddrPortFrom(netip.IPv4Unspecified(), ClientPort), netip.IPv4Unspecified(), true)
	if err != nil {
		return nil, taken(err, ClientPort)
	}
	defer s.conn.Close()
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	ask := probe(MAC(i.HardwareAddr))
	b, err := ask.AppendBinary(nil)
	if err != nil {
		return nil, err
	}
	var all []Heard
	for range 2 {
		if err := s.write(b, netip.AddrPortFrom(everybody.Addr(), ServerPort)); err != nil {
			return nil, fmt.Errorf("send on %s: %w", name, err)
		}
		if all, err = s.offers(all, ask.XID, time.Now().Add(wait/2)); err != nil {
			return nil, err
		}
	}
	return all, ctx.Err()
}

// probe is a DISCOVER of a PC under BIOS.
func probe(m MAC) *Packet {
	p := &Packet{MAC: m, Flags: Broadcast}
	var xid [4]byte
	rand.Read(xid[:])
	p.XID = binary.BigEndian.Uint32(xid[:])
	p.Options.Add(MessageType, byte(Discover))
	p.Options.Add(Wanted, byte(SubnetMask), byte(Router), byte(VendorInfo), byte(Class), byte(TFTPServer), byte(BootFile))
	p.Options.AddText(Class, pxeClass+":Arch:00000:UNDI:002001")
	p.Options.Add(Architecture, 0, 0)
	return p
}

// offers adds the servers that answer a probe until a time.
func (s *socket) offers(all []Heard, xid uint32, until time.Time) ([]Heard, error) {
	if err := s.conn.SetReadDeadline(until); err != nil {
		return all, err
	}
	b := make([]byte, longest+1)
	for {
		n, from, err := s.read(b)
		if e, ok := err.(net.Error); ok && e.Timeout() {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		p, err := Parse(b[:n])
		if err != nil || !p.Reply || p.XID != xid || p.Options.Type() != Offer {
			continue
		}
		all = addHeard(all, heard(p, from.Addr()))
	}
}

// heard reads an offer.
func heard(p *Packet, from netip.Addr) Heard {
	h := Heard{Server: p.Options.Addr(ServerID), Gives: p.YIAddr, Boot: p.File, From: p.SIAddr}
	if !h.Server.IsValid() {
		h.Server = from
	}
	if f := p.Options.Get(BootFile); len(f) > 0 && h.Boot == "" {
		h.Boot = text(append(f, 0))
	}
	return h
}

// addHeard adds a server that isn't among all yet.
func addHeard(all []Heard, h Heard) []Heard {
	const most = 32 // more answer only where somebody makes them up
	for _, each := range all {
		if each.Server == h.Server && each.Gives.IsValid() == h.Gives.IsValid() && each.Boot == h.Boot {
			return all
		}
	}
	if len(all) >= most {
		return all
	}
	return append(all, h)
}
