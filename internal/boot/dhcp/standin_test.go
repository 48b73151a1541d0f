package dhcp

import (
	"net/netip"
	"testing"
	"time"
)

var others = netip.MustParseAddr("10.0.0.2") // the network's own DHCP server

// told2 is told with the port and the server of a reply.
func told2(r *Reply) string {
	if r == nil {
		return ""
	}
	text := told(r)
	if r.From == ClientPort {
		text += " in its name"
	}
	return text + " by " + r.Packet.Options.Addr(ServerID).String()
}

// theirs makes what the network's server tells a machine.
func theirs(m MAC, t Type, xid uint32, yours string, with ...func(*Packet)) *Packet {
	p := message(m, t, to("10.0.0.2"))
	p.Reply, p.XID, p.YIAddr, p.SIAddr = true, xid, netip.MustParseAddr(yours), others
	p.Options.Add(SubnetMask, 255, 255, 255, 0)
	p.Options.AddAddrs(Router, others)
	p.Options.AddTime(LeaseTime, time.Hour)
	for _, change := range with {
		change(p)
	}
	return p
}

// A machine that boots GRUB gets the address of the network's server by way of the proxy,
// which it then takes for its server to boot from.
func TestStandIn(t *testing.T) {
	s := made(t, classic)
	const xid = 7
	for _, tt := range []struct {
		name string
		p    *Packet
		port uint16
		want string
	}{
		{"looks for servers", message(pc1, Discover, pxe(X64)), 67, "OFFER shimx64.efi by 10.0.0.1"},
		{"another's offer", theirs(pc2, Offer, xid, "10.0.0.50"), 68, ""},
		{"an offer to another question", theirs(pc1, Offer, 8, "10.0.0.50"), 68, ""},
		{"an offer of another network", theirs(pc1, Offer, xid, "10.0.9.50"), 68, ""},
		{"the offer", theirs(pc1, Offer, xid, "10.0.0.50"), 68, "OFFER 10.0.0.50 shimx64.efi by 10.0.0.1"},
		{"a second offer", theirs(pc1, Offer, xid, "10.0.0.51"), 68, ""},
		{"takes another address", message(pc1, Request, pxe(X64), to("10.0.0.1"), wants("10.0.0.51")), 67, ""},
		{"takes it from here", message(pc1, Request, pxe(X64), to("10.0.0.1"), wants("10.0.0.50")), 67, "REQUEST to 255.255.255.255:67 in its name by 10.0.0.2"},
		{"an answer to the machine", theirs(pc1, Ack, xid, "10.0.0.50"), 68, ""},
		{"an answer with another address", theirs(pc1, Ack, xid^otherXID, "10.0.0.51"), 68, ""},
		{"the answer", theirs(pc1, Ack, xid^otherXID, "10.0.0.50"), 68, "ACK 10.0.0.50 shimx64.efi by 10.0.0.1"},
		{"the answer again", theirs(pc1, Ack, xid^otherXID, "10.0.0.50"), 68, ""},
		{"renews with its server", message(pc1, Request, to("10.0.0.2"), has("10.0.0.50")), 67, ""},
	} {
		var r *Reply
		if tt.port == ClientPort {
			r, _ = s.Overhear(tt.p, noon)
		} else {
			r, _ = s.Answer(tt.p, tt.port, nobody, noon)
		}
		if got := told2(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if r != nil && r.Packet.YIAddr.IsValid() &&
			(r.Packet.SIAddr != ours || r.Packet.XID != xid || len(r.Packet.Options.Get(SubnetMask)) != 4 || r.Packet.Options.Addr(Router) != others || !r.Packet.Options.Has(LeaseTime)) {
			t.Errorf("%s: %+v", tt.name, r.Packet)
		}
	}
	if len(s.between) != 0 {
		t.Errorf("%d machines are still under way", len(s.between))
	}
}

// What the network's server sends to one machine alone can't be overheard: then it is
// asked again in the machine's name, for an answer to all.
func TestStandInAsksForBroadcasts(t *testing.T) {
	s := made(t, classic)
	broadcast := func(p *Packet) { p.Flags = Broadcast }
	r, _ := s.Answer(message(pc1, Discover, pxe(BIOS), broadcast), ServerPort, nobody, noon)
	if r.Next != nil {
		t.Errorf("who is answered by broadcast is asked for: %s", told2(r.Next))
	}
	ask := message(pc1, Discover, pxe(BIOS))
	r, _ = s.Answer(ask, ServerPort, nobody, noon)
	if told2(r) != "OFFER core.0 by 10.0.0.1" || told2(r.Next) != "DISCOVER to 255.255.255.255:67 in its name by invalid IP" || r.Next.Packet.Flags != Broadcast {
		t.Fatalf("%s, %s", told2(r), told2(r.Next))
	}
	if own, _ := s.Answer(r.Next.Packet, ServerPort, netip.AddrPortFrom(ours, ClientPort), noon); own != nil {
		t.Errorf("our own question is answered: %s", told2(own))
	}
	if r, _ := s.Overhear(theirs(pc1, Offer, r.Next.Packet.XID, "10.0.0.50"), noon); told2(r) != "OFFER 10.0.0.50 core.0 by 10.0.0.1" || r.Packet.XID != ask.XID {
		t.Error(told2(r))
	}
}

// Without port 68 the network's server is not heard: nothing is asked of it then.
func TestNobodyStandsInUnheard(t *testing.T) {
	s := made(t, classic)
	s.between = nil
	r, _ := s.Answer(message(pc1, Discover, pxe(BIOS)), ServerPort, nobody, noon)
	if told2(r) != "OFFER core.0 by 10.0.0.1" || r.Next != nil {
		t.Errorf("%s, %s", told2(r), told2(r.Next))
	}
	if r, _ := s.Answer(message(pc1, Request, pxe(BIOS), to("10.0.0.1"), wants("10.0.0.50")), ServerPort, nobody, noon); r != nil {
		t.Error(told2(r))
	}
}

// The network's offer may be read before the question that it answers.
func TestStandInHearsEarlyOffers(t *testing.T) {
	s := made(t, classic)
	broadcast := func(p *Packet) { p.Flags = Broadcast }
	for _, tt := range []struct {
		xid   uint32
		after time.Duration
		want  string
	}{{7, time.Millisecond, "OFFER 10.0.0.50 shimx64.efi by 10.0.0.1"}, {8, time.Millisecond, ""}, {7, time.Minute, ""}} {
		if r, _ := s.Overhear(theirs(pc1, Offer, tt.xid, "10.0.0.50"), noon); r != nil {
			t.Error(told2(r))
		}
		r, _ := s.Answer(message(pc1, Discover, pxe(X64), broadcast), ServerPort, nobody, noon.Add(tt.after))
		if got := told2(r.Next); got != tt.want || told2(r) != "OFFER shimx64.efi by 10.0.0.1" {
			t.Errorf("%v later: %q, want %q", tt.after, got, tt.want)
		}
		delete(s.between, pc1)
	}
	for i := range 2 * mostEarly {
		s.Overhear(theirs(MAC{2, byte(i >> 8), byte(i)}, Offer, 7, "10.0.0.50"), noon)
	}
	if len(s.early) > mostEarly {
		t.Errorf("%d offers are kept", len(s.early))
	}
}

// Where nobody is needed in between, nobody is.
func TestNoStandIn(t *testing.T) {
	ipxe := func(p *Packet) { p.Options.AddText(UserClass, "iPXE"); p.Options.Add(IPXE, 19, 1, 1) }
	for _, tt := range []struct {
		name  string
		with  []func(*Packet)
		offer func(*Packet)
	}{
		{"iPXE", []func(*Packet){pxe(X64), ipxe}, func(*Packet) {}},
		{"an operating system", nil, func(*Packet) {}},
		{"by a relay", []func(*Packet){pxe(X64), func(p *Packet) { p.GIAddr = netip.MustParseAddr("10.0.0.254") }}, func(*Packet) {}},
		{"the network's server sends it here", []func(*Packet){pxe(X64)}, func(p *Packet) { p.SIAddr = ours }},
		{"the network's server has PXE itself", []func(*Packet){pxe(X64)}, func(p *Packet) { p.Options.Add(VendorInfo, 6, 1, 8) }},
		{"our own offer", []func(*Packet){pxe(X64)}, func(p *Packet) { p.Options = p.Options.without(ServerID); p.Options.AddAddrs(ServerID, ours) }},
	} {
		s := made(t, classic)
		s.Answer(message(pc1, Discover, tt.with...), ServerPort, nobody, noon)
		if r, _ := s.Overhear(theirs(pc1, Offer, 7, "10.0.0.50", tt.offer), noon); r != nil {
			t.Errorf("%s: %s", tt.name, told2(r))
		}
	}
	s := made(t, classic)
	s.Answer(message(pc1, Discover, pxe(X64)), ServerPort, nobody, noon)
	if r, _ := s.Overhear(theirs(pc1, Offer, 7, "10.0.0.50"), noon.Add(2*standInTime)); r != nil {
		t.Errorf("after a while: %s", told2(r))
	}
}

// The network's server may say no; and made-up machines take no more memory than there
// is for them.
func TestStandInEnds(t *testing.T) {
	s := made(t, classic)
	s.Answer(message(pc1, Discover, pxe(X64)), ServerPort, nobody, noon)
	s.Overhear(theirs(pc1, Offer, 7, "10.0.0.50"), noon)
	s.Answer(message(pc1, Request, pxe(X64), to("10.0.0.1"), wants("10.0.0.50")), ServerPort, nobody, noon)
	nak := message(pc1, Nak, to("10.0.0.2"))
	nak.Reply, nak.XID = true, 7^otherXID
	if r, _ := s.Overhear(nak, noon); told2(r) != "NAK by 10.0.0.1" {
		t.Error(told2(r))
	}
	for i := range 2 * mostStandIns {
		s.Answer(message(MAC{2, byte(i >> 8), byte(i)}, Discover, pxe(X64)), ServerPort, nobody, noon)
	}
	if len(s.between) != mostStandIns {
		t.Errorf("%d machines are under way, want %d", len(s.between), mostStandIns)
	}
	s.Answer(message(pc1, Discover, pxe(X64)), ServerPort, nobody, noon.Add(2*standInTime))
	if len(s.between) != 1 {
		t.Errorf("%d machines are under way a while later", len(s.between))
	}
}

// On the wire, beside dnsmasq: a machine that takes the proxy's offer has dnsmasq's
// lease in the end.
func TestStandInBesideDnsmasq(t *testing.T) {
	l := newLab(t, 3)
	dnsmasq(t, l.Host(1))
	probeUntil(t, l.Host(2), gives)
	listening(t, l.Host(0), Proxy, "")
	told := take(t, l.Host(2), l.Host(0).Addr())
	if told.SIAddr != l.Host(0).Addr() || told.File != "shimx64.efi" || told.Options.Addr(ServerID) != l.Host(0).Addr() {
		t.Errorf("%+v", told)
	}
	if again := udhcpc(t, l.Host(2)); again["ip"] != told.YIAddr.String() || again["serverid"] != l.Host(1).Addr().String() {
		t.Errorf("the system gets %v, the firmware got %v", again["ip"], told.YIAddr)
	}
}
