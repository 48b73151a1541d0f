package lane

import (
	"fmt"
	"net"
	"net/netip"
)

// Subnet returns the prefix of the subnet that this machine has the address a in.
// One of a single address is an error: who else is on the network it does not say.
func Subnet(a netip.Addr) (netip.Prefix, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, each := range all {
		p, err := netip.ParsePrefix(each.String())
		if err == nil && p.Addr().Unmap() == a {
			return wide(p)
		}
	}
	return netip.Prefix{}, fmt.Errorf("no interface of this machine has the address %v any more: is the cable in?", a)
}

// wide returns the subnet of an interface's address and prefix length.
func wide(p netip.Prefix) (netip.Prefix, error) {
	if p.IsSingleIP() && !p.Addr().IsLoopback() {
		return netip.Prefix{}, fmt.Errorf("the address %v has no network around it, so nobody is known to be near: give the interface the prefix length of its network, such as %v/24", p, p.Addr())
	}
	return p.Masked(), nil
}
