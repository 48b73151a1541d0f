package mcast

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// device is the Network of a real interface.
type device struct {
	Candidate
	opts Options
}

// Interface returns the network interface called name, or, if name is "", the
// only one that is up, has a link and an IPv4 address, can multicast and is not
// the loopback. Errors are an *AmbiguousError, or wrap ErrNoInterface, and list
// what there is.
func Interface(name string, opts Options) (Network, error) {
	opts, err := opts.validate()
	if err != nil {
		return nil, err
	}
	all, err := candidates()
	if err != nil {
		return nil, err
	}
	c, err := choose(all, name)
	if err != nil {
		return nil, err
	}
	return &device{Candidate: c, opts: opts}, nil
}

func (d *device) Name() string     { return d.Candidate.Name }
func (d *device) Addr() netip.Addr { return d.Candidate.Addr }
func (d *device) MTU() int         { return d.Candidate.MTU }
func (d *device) LinkRate() int64  { return d.Candidate.LinkRate }

// netInterface names d in the calls of x/net/ipv4, which look at the index only.
func (d *device) netInterface() *net.Interface {
	return &net.Interface{Index: d.index, Name: d.Candidate.Name}
}

func candidates() ([]Candidate, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	all := make([]Candidate, 0, len(interfaces))
	for _, i := range interfaces {
		all = append(all, Candidate{
			Name:      i.Name,
			Addr:      firstIPv4(i),
			MTU:       min(i.MTU, 65535), // that of lo is 65536
			LinkRate:  linkRate(i.Name),
			up:        i.Flags&net.FlagUp != 0,
			running:   i.Flags&net.FlagRunning != 0,
			loopback:  i.Flags&net.FlagLoopback != 0,
			multicast: i.Flags&net.FlagMulticast != 0,
			index:     i.Index,
		})
	}
	return all, nil
}

// firstIPv4 returns the interface's primary address, the zero Addr if there is
// none or the interface is gone since it was listed.
func firstIPv4(i net.Interface) netip.Addr {
	addrs, err := i.Addrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is4() {
			return prefix.Addr()
		}
	}
	return netip.Addr{}
}

// linkRate returns the speed the driver reports, in bit/s: Documentation/ABI/
// testing/sysfs-class-net says Mbit/s, -1 or an error where it is unknown.
func linkRate(name string) int64 {
	text, err := os.ReadFile(filepath.Join("/sys/class/net", name, "speed"))
	if err != nil {
		return 0
	}
	mbits, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || mbits <= 0 {
		return 0
	}
	return mbits * 1e6
}
