package dhcp

import (
	"net/netip"
	"time"
)

// Server decides what is answered. One goroutine owns it; it knows no socket and no
// clock.
type Server struct {
	cfg     Config
	leases  *Leases  // nil for Proxy
	between standIns // for Proxy
}

// NewServer returns a server that has given out no addresses.
func NewServer(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, between: make(standIns)}
	if cfg.Mode == Full {
		s.leases = cfg.leases()
	}
	return s, nil
}

// Ports (RFC 2131 §4.1, PXE 2.1 §2.2.3).
const (
	ServerPort = 67
	ClientPort = 68
	PXEPort    = 4011 // where machines ask a proxy that they know
)

// Reply is a message to send.
type Reply struct {
	Packet *Packet
	From   uint16         // port
	To     netip.AddrPort // the broadcast address: to everybody on the network
	Next   *Reply         // to send as well; nil for none
}

// Note is what was done with a message, for people.
type Note struct {
	Client Client
	Asked  Type
	Told   Type       // 0: nothing
	Addr   netip.Addr // that it was given
	File   string     // boot file that it was told of
	Why    string     // it is not answered, or told of no file, though it wants to boot
}

// everybody is where a client is reached that has no address yet. It could be sent
// to that address alone, past ARP, but takes a broadcast as well (RFC 2131 §4.1), and
// some firmware takes nothing else.
var everybody = netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), ClientPort)

// Answer decides on a message that came to one of the server's ports, 67 or 4011,
// from an address. reply is nil for none.
func (s *Server) Answer(p *Packet, port uint16, from netip.AddrPort, now time.Time) (reply *Reply, note Note) {
	note = Note{Client: ClientOf(p), Asked: p.Options.Type()}
	if p.Reply || p.MAC == (MAC{}) || !s.near(p, from.Addr()) {
		return nil, note
	}
	switch {
	case port == PXEPort:
		reply = s.bootServer(p, from, &note)
	case s.cfg.Mode == Proxy:
		reply = s.proxy(p, now, &note)
	default:
		reply = s.full(p, now, &note)
	}
	if reply != nil {
		note.Told = reply.Packet.Options.Type()
		note.Addr = reply.Packet.YIAddr
	}
	return reply, note
}

// near reports whether a message is from this network: from a machine of it, from
// one without address, or by a relay of it.
func (s *Server) near(p *Packet, from netip.Addr) bool {
	for _, a := range []netip.Addr{p.GIAddr, p.CIAddr, from.Unmap()} {
		if a.IsValid() && !a.IsUnspecified() && !s.cfg.Subnet.Contains(a) {
			return false
		}
	}
	return true
}

// proxy answers who looks for a server to boot from, beside the network's own
// (PXE 2.1 §2.2.3).
func (s *Server) proxy(p *Packet, now time.Time, note *Note) *Reply {
	if note.Asked == Request {
		return s.take(p, now)
	}
	if note.Asked != Discover || s.between.of(p, p.XID^otherXID, now) != nil || !s.boots(note) {
		return nil // the second is our own, in a machine's name
	}
	r := s.reply(p, s.message(p, Offer, note), everybody)
	if script := note.Client.IPXE && s.cfg.Files.IPXE != ""; note.Client.Kind == PXE && !script && !p.GIAddr.IsValid() {
		r.Next = s.between.begin(p, note.Client, now)
	}
	return r
}

// bootServer answers who asks this server alone, with the address it has
// (PXE 2.1 §2.2.4). Firmware asks here that doesn't believe the offer's file: some
// UEFI does so whatever discovery control says.
func (s *Server) bootServer(p *Packet, from netip.AddrPort, note *Note) *Reply {
	id := p.Options.Addr(ServerID)
	if note.Asked != Request && note.Asked != Inform || id.IsValid() && id != s.cfg.Server || !s.boots(note) {
		return nil
	}
	if !from.Addr().IsValid() || from.Addr().IsUnspecified() {
		from = everybody
	}
	a := s.message(p, Ack, note)
	a.CIAddr = p.CIAddr
	r := s.reply(p, a, from)
	r.From = PXEPort
	return r
}

// boots notes which file the client boots, or why it can't.
func (s *Server) boots(note *Note) bool {
	file, err := s.cfg.Files.For(note.Client)
	note.File = file
	if err != nil && err != errNoBoot {
		note.Why = err.Error()
	}
	return err == nil
}

// skipDiscovery is PXE's vendor option 6, discovery control, with bit 3: take the
// boot file of this answer and look for no boot servers (PXE 2.1 §2.2.2). Without it
// UEFI firmware (edk2) takes an answer of class PXEClient for a list of boot servers
// and asks again at port 4011.
var skipDiscovery = []byte{6, 1, 8, byte(end)}

// message makes an answer with what every answer has, and with the boot file if
// note has one.
func (s *Server) message(p *Packet, t Type, note *Note) *Packet {
	a := &Packet{Reply: true, XID: p.XID, Flags: p.Flags, GIAddr: p.GIAddr, MAC: p.MAC}
	a.Options.Add(MessageType, byte(t))
	a.Options.AddAddrs(ServerID, s.cfg.Server)
	if id := p.Options.Get(ClientID); id != nil { // RFC 6842
		a.Options.Add(ClientID, id...)
	}
	if note.File != "" {
		s.boot(a, p, note)
	}
	return a
}

// boot adds what to boot. The file's name is in its field and in an option too:
// some ROMs read only the one, some UEFI only the other.
func (s *Server) boot(a, p *Packet, note *Note) {
	a.SIAddr = s.cfg.Server
	a.File = note.File
	a.SName = s.cfg.Server.String()
	if note.Client.Kind == HTTP {
		// UEFI 2.10 §24.7.3.1: the answer must be of this class, and the file is a URL.
		a.Options.AddText(Class, httpClass)
	} else {
		a.Options.AddText(Class, pxeClass)
		a.Options.Add(VendorInfo, skipDiscovery...)
	}
	if id := p.Options.Get(MachineID); id != nil { // PXE 2.1 wants it back
		a.Options.Add(MachineID, id...)
	}
	a.Options.AddText(TFTPServer, s.cfg.Server.String())
	a.Options.AddText(BootFile, note.File)
}

// reply ends a message and says where it goes.
func (s *Server) reply(p, a *Packet, to netip.AddrPort) *Reply {
	if p.GIAddr.IsValid() {
		to = netip.AddrPortFrom(p.GIAddr, ServerPort)
	}
	if relay := p.Options.Get(RelayInfo); relay != nil { // RFC 3046 §2.2: back as it came, the last
		a.Options.Add(RelayInfo, relay...)
	}
	return &Reply{Packet: a, From: ServerPort, To: to}
}
