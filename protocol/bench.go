package protocol

import "net/netip"

// Probes is how many probes a bench session sends to its probe group, and
// ProbeEach the milliseconds between two of them.
const (
	Probes    = 64
	ProbeEach = 100
)

// ProbeGroup returns the probe group of a bench session with this data group:
// no receiver joins it, so a switch that sends multicast only where it was asked
// for takes none of its datagrams to them.
func ProbeGroup(data netip.AddrPort) netip.AddrPort {
	ip := data.Addr().Unmap().As4()
	ip[3] ^= 1
	return netip.AddrPortFrom(netip.AddrFrom4(ip), data.Port())
}
