package dhcp

import (
	"net/netip"
	"time"
)

// full answers as the network's only DHCP server (RFC 2131 §4.3).
func (s *Server) full(p *Packet, now time.Time, note *Note) *Reply {
	s.boots(note)
	switch note.Asked {
	case Discover:
		have := s.leases.Offer(p.MAC, p.Options.Addr(RequestedAddr), now)
		if have == nil {
			note.Why = "all addresses are given out"
			return nil
		}
		return s.give(p, Offer, have.Addr, everybody, note)
	case Request:
		return s.request(p, now, note)
	case Inform:
		if !p.CIAddr.IsValid() {
			return nil
		}
		a := s.message(p, Ack, note)
		a.CIAddr = p.CIAddr
		s.network(a)
		return s.reply(p, a, netip.AddrPortFrom(p.CIAddr, ClientPort))
	}
	s.giveBack(p, now, note)
	return nil
}

// giveBack hears DECLINE and RELEASE, of an address that its sender has from here.
func (s *Server) giveBack(p *Packet, now time.Time, note *Note) {
	have := s.leases.Of(p.MAC)
	if have == nil || p.Options.Addr(ServerID) != s.cfg.Server {
		return
	}
	switch {
	case note.Asked == Decline && p.Options.Addr(RequestedAddr) == have.Addr:
		note.Why = "somebody else uses " + have.Addr.String()
		s.leases.Bad(have.Addr, now)
	case note.Asked == Release && p.CIAddr == have.Addr:
		s.leases.Release(have, now)
	}
}

// request answers a REQUEST. Which of four it is follows from what is in it
// (RFC 2131 §4.3.2).
func (s *Server) request(p *Packet, now time.Time, note *Note) *Reply {
	id, wants := p.Options.Addr(ServerID), p.Options.Addr(RequestedAddr)
	have := s.leases.Of(p.MAC)
	to := everybody
	switch {
	case p.Options.Has(ServerID) && id != s.cfg.Server:
		return nil // it took another's offer: ours ends by itself
	case p.Options.Has(ServerID): // SELECTING
	case have == nil || !have.taken:
		return nil // it has its address from another server, also if it was offered one here
	case !p.CIAddr.IsValid(): // INIT-REBOOT
	default: // RENEWING or REBINDING
		wants = p.CIAddr
		to = netip.AddrPortFrom(p.CIAddr, ClientPort)
	}
	if have == nil || have.Addr != wants || !s.leases.free(wants, p.MAC, now) {
		return s.refuse(p, note)
	}
	s.leases.Take(have, now.Add(s.cfg.lease()), name(p.Options.Get(HostName)))
	return s.give(p, Ack, have.Addr, to, note)
}

// refuse tells a client that it can't have the address (RFC 2131 §4.3.2).
func (s *Server) refuse(p *Packet, note *Note) *Reply {
	note.File = ""
	note.Why = "the address that it wants is not its own"
	a := s.message(p, Nak, note)
	if p.GIAddr.IsValid() {
		a.Flags |= Broadcast // so that the relay does so: the client has no address
	}
	return s.reply(p, a, everybody)
}

// give offers an address, or gives it.
func (s *Server) give(p *Packet, t Type, addr netip.Addr, to netip.AddrPort, note *Note) *Reply {
	a := s.message(p, t, note)
	a.YIAddr = addr
	a.SIAddr = s.cfg.Server // the ramdisk asks there, though it asked DHCP for no boot file
	if t == Ack {
		a.CIAddr = p.CIAddr
	}
	lease := s.cfg.lease()
	a.Options.AddTime(LeaseTime, lease)
	a.Options.AddTime(RenewalTime, lease/2)
	a.Options.AddTime(RebindingTime, lease*7/8)
	s.network(a)
	return s.reply(p, a, to)
}

// network adds what there is to know of the network.
func (s *Server) network(a *Packet) {
	a.Options.Add(SubnetMask, mask(s.cfg.Subnet)...)
	a.Options.AddAddrs(BroadcastAddr, broadcast(s.cfg.Subnet))
	a.Options.AddAddrs(Router, s.cfg.Router)
	a.Options.AddAddrs(DNS, s.cfg.DNS...)
	if s.cfg.Domain != "" {
		a.Options.AddText(Domain, s.cfg.Domain)
	}
}
