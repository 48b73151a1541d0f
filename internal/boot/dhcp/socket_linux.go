package dhcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// socket is a UDP socket of one interface: it hears nothing of others and sends
// nothing there.
type socket struct {
	conn   *ipv4.PacketConn
	index  int // of the interface
	port   uint16
	source netip.Addr // that it sends from
}

// shared says how a port is had.
type shared bool

// open opens a socket on an address and port of an interface. Sharing a port with
// another process only goes if that one wants it too.
func open(name string, at netip.AddrPort, source netip.Addr, share shared) (*socket, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var inner error
		err := raw.Control(func(fd uintptr) { inner = options(int(fd), name, share) })
		return errors.Join(err, inner)
	}}
	pc, err := lc.ListenPacket(context.Background(), "udp4", at.String())
	if err != nil {
		return nil, err
	}
	s := &socket{conn: ipv4.NewPacketConn(pc), index: i.Index, port: at.Port(), source: source}
	if err := s.conn.SetControlMessage(ipv4.FlagInterface, true); err != nil {
		pc.Close()
		return nil, err
	}
	return s, nil
}

func options(fd int, name string, share shared) error {
	if err := unix.BindToDevice(fd, name); err != nil {
		return os.NewSyscallError("SO_BINDTODEVICE", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
		return os.NewSyscallError("SO_BROADCAST", err)
	}
	reuse := 0
	if share {
		reuse = 1
	}
	return os.NewSyscallError("SO_REUSEADDR", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, reuse))
}

// read returns the next message that came by the interface.
func (s *socket) read(b []byte) (n int, from netip.AddrPort, err error) {
	for {
		n, cm, addr, err := s.conn.ReadFrom(b)
		if err != nil {
			return 0, from, err
		}
		// Bound to the device it gets no others; this holds also where that can't be
		// relied on, as in a kernel with VRFs.
		if cm == nil || cm.IfIndex != s.index {
			continue
		}
		from = addr.(*net.UDPAddr).AddrPort()
		return n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
	}
}

// write sends a message from the socket's port and the server's address.
func (s *socket) write(b []byte, to netip.AddrPort) error {
	cm := &ipv4.ControlMessage{IfIndex: s.index, Src: s.source.AsSlice()}
	_, err := s.conn.WriteTo(b, cm, net.UDPAddrFromAddrPort(to))
	return err
}

// PortTaken is the error of a port that another process has.
type PortTaken struct {
	Port uint16
	err  error
}

// Error implements error.
func (p *PortTaken) Error() string {
	return fmt.Sprintf("another process has UDP port %d", p.Port)
}

// Unwrap returns the system's error.
func (p *PortTaken) Unwrap() error { return p.err }

// taken gives an error of open its name.
func taken(err error, port uint16) error {
	if errors.Is(err, unix.EADDRINUSE) {
		return &PortTaken{port, err}
	}
	return fmt.Errorf("open UDP port %d: %w", port, err)
}
