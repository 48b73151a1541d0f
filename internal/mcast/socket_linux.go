package mcast

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

const (
	// receiveBuffer holds about a quarter of a second at 1 Gbit/s: the longest
	// that a busy machine keeps a reader waiting.
	receiveBuffer = 32 << 20

	// Blocking on a full send buffer is what paces a sender to its own link, so
	// the buffer is smaller than what queues at the link hold: pfifo_fast a
	// thousand packets (2 MiB is 910 datagrams of 1448 bytes with the kernel's
	// overhead), and fq_codel as much as it sends within its target of 5 ms.
	maxSendBuffer  = 2 << 20
	minSendBuffer  = 128 << 10 // one train being filled while another is sent
	sendBufferTime = 4 * time.Millisecond
)

// Listen implements Network. The socket is bound to the group's address: bound
// to all addresses (as package net does for a group) it would get every group
// that any process of this machine has joined.
func (d *device) Listen(group netip.AddrPort, source netip.Addr, gather time.Duration) (Reader, error) {
	if !group.Addr().Is4() || !group.Addr().IsMulticast() || group.Port() == 0 {
		return nil, fmt.Errorf("listen to %s: not an IPv4 multicast group and port", group)
	}
	r, err := d.listen(group, source, gather)
	if err != nil {
		return nil, fmt.Errorf("listen to %s on %s: %w", group, d.Name(), err)
	}
	return r, nil
}

func (d *device) listen(group netip.AddrPort, source netip.Addr, longest time.Duration) (Reader, error) {
	pc, err := bind(group, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return os.NewSyscallError("SO_REUSEADDR", err)
		}
		// Hear what this socket joined, not what others on this machine did.
		return os.NewSyscallError("IP_MULTICAST_ALL",
			unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0))
	})
	if err != nil {
		return nil, err
	}
	// The buffer is sized before the join, with which datagrams start to come.
	r, err := newReader(pc)
	if err == nil {
		err = d.join(pc, group.Addr(), source)
	}
	if err != nil {
		pc.Close()
		return nil, err
	}
	if longest > 0 {
		return gather(pc, r, longest)
	}
	return r, nil
}

func (d *device) join(pc *net.UDPConn, group, source netip.Addr) error {
	p := ipv4.NewPacketConn(pc)
	to := &net.UDPAddr{IP: group.AsSlice()}
	if !source.IsValid() {
		return p.JoinGroup(d.netInterface(), to)
	}
	if !source.Is4() {
		return fmt.Errorf("source %s: not an IPv4 address", source)
	}
	return p.JoinSourceSpecificGroup(d.netInterface(), to, &net.UDPAddr{IP: source.AsSlice()})
}

// Open implements Network.
func (d *device) Open(port uint16) (Conn, error) {
	c, err := d.open(port)
	if err != nil {
		return nil, fmt.Errorf("open a socket on %s: %w", d, err)
	}
	return c, nil
}

func (d *device) open(port uint16) (*conn, error) {
	pc, err := bind(netip.AddrPortFrom(d.Addr(), port), func(fd int) error {
		// Never fragmented: one lost fragment loses the datagram, and boot
		// loaders and switches treat fragments badly.
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO); err != nil {
			return os.NewSyscallError("IP_MTU_DISCOVER", err)
		}
		return setSendBuffer(fd, sendBuffer(d.LinkRate()))
	})
	if err != nil {
		return nil, err
	}
	if err := d.multicasts(pc); err != nil {
		pc.Close()
		return nil, err
	}
	return newConn(pc, d.MTU(), !d.opts.NoGSO)
}

// multicasts makes what pc multicasts leave by d.
func (d *device) multicasts(pc *net.UDPConn) error {
	p := ipv4.NewPacketConn(pc)
	if err := p.SetMulticastInterface(d.netInterface()); err != nil {
		return err
	}
	if err := p.SetMulticastTTL(d.opts.TTL); err != nil {
		return err
	}
	return p.SetMulticastLoopback(true)
}

// bind makes a UDP socket for IPv4 whose options are set before it gets a
// single datagram, and hands it to the runtime's poller.
func bind(addr netip.AddrPort, options func(fd int) error) (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	f := os.NewFile(uintptr(fd), "udp")
	defer f.Close() // FilePacketConn duplicates it
	if err := options(fd); err != nil {
		return nil, err
	}
	to := unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	if err := unix.Bind(fd, &to); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

// setReceiveBuffer asks for size bytes, as root beyond net.core.rmem_max, and
// returns what was granted: half of what the kernel says, for it doubles the
// wish to account for its own overhead (socket(7)).
func setReceiveBuffer(fd, size int) (int, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size); err != nil {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size); err != nil {
			return 0, os.NewSyscallError("SO_RCVBUF", err)
		}
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return got / 2, os.NewSyscallError("SO_RCVBUF", err)
}

// setSendBuffer lets size bytes wait in the kernel, overhead included; it
// doubles what it is asked for.
func setSendBuffer(fd, size int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, size/2); err != nil {
		return os.NewSyscallError("SO_SNDBUF", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, size/2))
	}
	return nil
}

// sendBuffer returns the bytes that may wait for a link of that many bit/s.
func sendBuffer(linkRate int64) int {
	if linkRate <= 0 {
		return maxSendBuffer
	}
	bytes := float64(linkRate) / 8 * sendBufferTime.Seconds()
	return int(min(max(bytes, minSendBuffer), maxSendBuffer))
}

// control runs f with the descriptor of raw.
func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
