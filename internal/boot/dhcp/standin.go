package dhcp

import (
	"net/netip"
	"slices"
	"time"
)

// GRUB, under BIOS and UEFI, loads its menu from the server that the DHCP server's ACK
// names, and not from the one that it came from itself (GRUB's bug 55636): beside a
// DHCP server that names itself there, as dnsmasq does, it never finds the menu. So a
// proxy stands in between: it offers the address that the network's server offered, in
// its own name; when the machine takes it, it takes it from the network's server in
// the machine's name, and passes on the answer with itself as the server to boot from.
// In the end the machine has that lease of the network's server, as if it had asked
// there. Firmware takes our offer rather than the other's, as it has a boot file.
//
// A machine that doesn't go along has had the plain proxy's offer before.

// standIns are the machines under way, by MAC address. They are bounded, as anybody
// can make up a machine: who finds no place boots by the plain offer. nil: nobody stands
// in between.
type standIns map[MAC]*standIn

const (
	mostStandIns = 1024
	standInTime  = time.Minute
	// otherXID marks what is sent to the network's server in a machine's name, whose
	// answer the machine hears too: it must not take it for one to itself.
	otherXID = 0x70786563
)

// offers are those that were overheard before the question that they answer was read:
// the network's server may be the faster one, and the two come by two sockets.
type offers map[MAC]offered

type offered struct {
	packet *Packet
	at     time.Time
}

const (
	mostEarly = 256
	earlyTime = 5 * time.Second
)

func (o offers) keep(p *Packet, now time.Time) {
	if len(o) >= mostEarly {
		clear(o)
	}
	o[p.MAC] = offered{p, now}
}

// to returns the offer that answers a question, and forgets it; nil for none.
func (o offers) to(ask *Packet, now time.Time) *Packet {
	have, ok := o[ask.MAC]
	delete(o, ask.MAC)
	if !ok || have.packet.XID != ask.XID || now.Sub(have.at) > earlyTime {
		return nil
	}
	return have.packet
}

// ipxePriority is the option inside iPXE's own that says how much an offer counts.
var ipxePriority = []byte{1, 1, 1}

// standIn is where one machine is.
type standIn struct {
	xid    uint32
	client Client
	ask    *Packet // its DISCOVER, its REQUEST later
	server netip.Addr
	addr   netip.Addr // offered; the zero Addr: nothing was heard yet
	until  time.Time
}

// begin notes a machine that looks for servers. Where that doesn't ask for answers by
// broadcast, the offer can't be overheard: then begin returns the same question in its
// name that does.
func (s standIns) begin(p *Packet, c Client, now time.Time) *Reply {
	if s == nil {
		return nil
	}
	if len(s) >= mostStandIns {
		for m, each := range s {
			if now.After(each.until) {
				delete(s, m)
			}
		}
	}
	if have := s[p.MAC]; len(s) >= mostStandIns && have == nil {
		return nil
	}
	s[p.MAC] = &standIn{xid: p.XID, client: c, ask: p, until: now.Add(standInTime)}
	if p.Flags&Broadcast != 0 {
		return nil
	}
	return inItsName(p, p.Options.without(RelayInfo))
}

// inItsName makes a message of a machine one to the network's server, which answers it
// by broadcast.
func inItsName(p *Packet, o Options) *Reply {
	r := &Packet{XID: p.XID ^ otherXID, Secs: p.Secs, Flags: p.Flags | Broadcast, MAC: p.MAC, Options: o}
	return &Reply{Packet: r, From: ClientPort, To: netip.AddrPortFrom(everybody.Addr(), ServerPort)}
}

// of returns where the machine is that a message is about; nil for none.
func (s standIns) of(p *Packet, xid uint32, now time.Time) *standIn {
	if have := s[p.MAC]; have != nil && have.xid == xid && now.Before(have.until) {
		return have
	}
	return nil
}

// take passes on a machine's REQUEST to the network's server.
func (s *Server) take(p *Packet, now time.Time) *Reply {
	m := s.between.of(p, p.XID, now)
	if m == nil || !m.addr.IsValid() || p.Options.Addr(ServerID) != s.cfg.Server || p.Options.Addr(RequestedAddr) != m.addr {
		return nil
	}
	m.ask, m.until = p, now.Add(standInTime)
	o := p.Options.without(ServerID, RelayInfo)
	o.AddAddrs(ServerID, m.server)
	return inItsName(p, o)
}

// Overhear decides on a message to port 68: what the network's server tells machines.
func (s *Server) Overhear(p *Packet, now time.Time) (reply *Reply, note Note) {
	id, t := p.Options.Addr(ServerID), p.Options.Type()
	if !p.Reply || s.cfg.Mode != Proxy || !id.IsValid() || id == s.cfg.Server {
		return nil, note
	}
	switch t {
	case Offer:
		m := s.between.of(p, p.XID, now)
		if m == nil {
			m = s.between.of(p, p.XID^otherXID, now)
		}
		if m == nil {
			s.early.keep(p, now)
		}
		// One that sends machines here by itself needs nobody in between, and one that
		// sends them elsewhere is not ours to correct.
		if m == nil || m.addr.IsValid() || !s.cfg.Subnet.Contains(p.YIAddr) || p.SIAddr == s.cfg.Server || p.Options.Has(VendorInfo) {
			return nil, note
		}
		m.server, m.addr = id, p.YIAddr
		return s.pass(p, m, &note), note
	case Ack, Nak:
		m := s.between.of(p, p.XID^otherXID, now)
		if m == nil || id != m.server || t == Ack && p.YIAddr != m.addr {
			return nil, note
		}
		delete(s.between, p.MAC)
		return s.pass(p, m, &note), note
	}
	return nil, note
}

// pass makes of the network's server's answer one of ours.
func (s *Server) pass(p *Packet, m *standIn, note *Note) *Reply {
	t := p.Options.Type()
	*note = Note{Client: m.client, Asked: m.ask.Options.Type(), Told: t, Addr: p.YIAddr}
	if t != Nak {
		s.boots(note)
	}
	ask := *m.ask
	ask.Options = ask.Options.without(RelayInfo)
	a := s.message(&ask, t, note)
	a.YIAddr = p.YIAddr
	if m.ask.Options.Has(IPXE) {
		// iPXE keeps the first offer unless a later one has priority.
		a.Options.Add(IPXE, ipxePriority...)
	}
	a.Options = append(a.Options, p.Options.without(MessageType, ServerID, ClientID, Class, VendorInfo, MachineID, TFTPServer, BootFile, RelayInfo, IPXE, overload)...)
	return &Reply{Packet: a, From: ServerPort, To: everybody}
}

// without returns the options but for some.
func (o Options) without(codes ...Code) (rest Options) {
	for _, each := range o {
		if !slices.Contains(codes, each.Code) {
			rest = append(rest, each)
		}
	}
	return rest
}
