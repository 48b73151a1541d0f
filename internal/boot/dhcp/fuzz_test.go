package dhcp

import (
	"net/netip"
	"testing"
	"time"
)

// Whatever comes, the server answers only to its network, gives out only its own
// addresses, each to one machine, and what it sends can be read.
func FuzzAnswer(f *testing.F) {
	f.Add(asked(f, ipxeDiscover, "35 01 01", "3c 09 "+"505845436c69656e74"), uint16(67), uint32(0))
	f.Add(asked(f, ipxeDiscover, "35 01 03", "32 04 0a000064", "36 04 0a000001"), uint16(67), uint32(0x0a000064))
	f.Add(asked(f, ipxeDiscover, "35 01 03", "3c 09 505845436c69656e74", "5d 02 0007"), uint16(4011), uint32(0x0a000064))
	servers := map[Mode]*Server{Proxy: made(f, classic), Full: giving(f)}
	now := noon
	f.Fuzz(func(t *testing.T, b []byte, port uint16, from uint32) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		now = now.Add(time.Second)
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(from >> 24), byte(from >> 16), byte(from >> 8), byte(from)}), ClientPort)
		for mode, s := range servers {
			overheard, _ := s.Overhear(p, now)
			if overheard != nil && (mode != Proxy || !classic.Subnet.Contains(overheard.Packet.YIAddr) && overheard.Packet.Options.Type() != Nak) {
				t.Errorf("%v is passed on", overheard.Packet)
			}
			r, _ := s.Answer(p, port, at, now)
			if r == nil {
				continue
			}
			if mode == Proxy && r.Packet.YIAddr.IsValid() || r.Packet.YIAddr.IsValid() && !s.leases.gives(r.Packet.YIAddr) {
				t.Errorf("%v is given out", r.Packet.YIAddr)
			}
			if r.To != everybody && !classic.Subnet.Contains(r.To.Addr()) {
				t.Errorf("an answer to %v", r.To)
			}
			wire, err := r.Packet.AppendBinary(nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(wire) <= longest {
				if back, err := Parse(wire); err != nil || back.Options.Type() != r.Packet.Options.Type() {
					t.Errorf("%v, %v", back, err)
				}
			}
		}
	})
}
