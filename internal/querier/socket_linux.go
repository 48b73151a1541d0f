package querier

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// routerAlert makes routers and switches look at a packet that they would only
// forward (RFC 2113). RFC 3376 §4 asks for it in every message.
const routerAlert = "\x94\x04\x00\x00"

// internetworkControl is the type of service that RFC 3376 §4 asks for.
const internetworkControl = 0xc0

// open returns a socket that sends from an address of an interface as queries
// are sent. Bound to 224.0.0.1 it hears what is sent there, its own queries
// included, and no reports.
func open(name string, addr netip.Addr) (*net.IPConn, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		if err := raw.Control(func(fd uintptr) { inner = options(int(fd), i, addr) }); err != nil {
			return err
		}
		return inner
	}}
	pc, err := lc.ListenPacket(context.Background(), "ip4:"+strconv.Itoa(unix.IPPROTO_IGMP), allHosts.String())
	if err != nil {
		return nil, err
	}
	return pc.(*net.IPConn), nil
}

// options keep the socket to the interface. Queries are looped back (the
// default), so that the kernel of this machine answers for its own groups.
func options(fd int, i *net.Interface, addr netip.Addr) error {
	if err := unix.BindToDevice(fd, i.Name); err != nil {
		return os.NewSyscallError("SO_BINDTODEVICE", err)
	}
	out := unix.IPMreqn{Address: addr.As4(), Ifindex: int32(i.Index)}
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &out); err != nil {
		return os.NewSyscallError("IP_MULTICAST_IF", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1); err != nil {
		return os.NewSyscallError("IP_MULTICAST_TTL", err)
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, internetworkControl); err != nil {
		return os.NewSyscallError("IP_TOS", err)
	}
	return os.NewSyscallError("IP_OPTIONS", unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, routerAlert))
}
