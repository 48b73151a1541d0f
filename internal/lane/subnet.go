package lane

import (
	"fmt"
	"net"
	"net/netip"
)

// Subnet returns the prefix of the subnet that this machine has the address a in.
func Subnet(a netip.Addr) (netip.Prefix, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	for _, each := range all {
		p, err := netip.ParsePrefix(each.String())
		if err == nil && p.Addr().Unmap() == a {
			return p.Masked(), nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no interface of this machine has the address %v any more: is the cable in?", a)
}
