package mcast

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// conn is the unicast socket: it reads and writes. It stays out of the runtime's
// poller, which would ask the kernel for all events and be woken for every train
// that leaves, whether anybody waits for room or not: that is a tenth of a
// sender's processor time. The poller knows two watches of it instead.
type conn struct {
	*reader
	*writer
	file    *os.File
	local   netip.AddrPort
	closing sync.Once
}

// newConn takes over the socket of pc, which is closed in any case.
func newConn(pc *net.UDPConn, mtu int, gso bool) (c *conn, err error) {
	defer pc.Close()
	a := pc.LocalAddr().(*net.UDPAddr).AddrPort()
	c = &conn{local: netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}
	if c.reader, err = newReader(pc); err != nil {
		return nil, err
	}
	if c.file, c.reader.raw, err = unpolled(c.reader.raw); err != nil {
		return nil, err
	}
	c.writer = newWriter(c.reader.raw, mtu, gso)
	if err = c.watch(); err != nil {
		c.file.Close() // and what watches it, by its finalizer
		return nil, err
	}
	return c, nil
}

// watch makes reader and writer wait by watches of the socket.
func (c *conn) watch() error {
	return control(c.reader.raw, func(fd int) (err error) {
		r, w := c.reader, c.writer
		r.recv = func(uintptr) bool { return r.receive(uintptr(fd)) }
		if r.polled, r.wait, err = watch(fd, unix.EPOLLIN); err != nil {
			return err
		}
		w.polled, w.wait, err = watch(fd, 0)
		return err
	})
}

// unpolled returns a second descriptor of a socket, which the runtime's poller
// does not know.
func unpolled(raw syscall.RawConn) (f *os.File, own syscall.RawConn, err error) {
	err = control(raw, func(fd int) error {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("F_DUPFD_CLOEXEC", err)
		}
		// A File made of a blocking descriptor stays out of the poller. The
		// mode does not matter: all our calls say MSG_DONTWAIT.
		if err := unix.SetNonblock(dup, false); err != nil {
			unix.Close(dup)
			return os.NewSyscallError("F_SETFL", err)
		}
		f = os.NewFile(uintptr(dup), "udp")
		own, err = f.SyscallConn()
		return err
	})
	return f, own, err
}

// watch returns an epoll instance, which can be read when one of these events is
// there for the socket (epoll(7)). The runtime's poller knows it.
func watch(fd int, events uint32) (*os.File, syscall.RawConn, error) {
	e, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("epoll_create1", err)
	}
	if err = unix.EpollCtl(e, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events}); err == nil {
		err = unix.SetNonblock(e, true) // else NewFile keeps it out of the poller
	}
	if err != nil {
		unix.Close(e)
		return nil, nil, os.NewSyscallError("epoll_ctl", err)
	}
	f := os.NewFile(uintptr(e), "epoll")
	raw, err := f.SyscallConn()
	return f, raw, err
}

// LocalAddr implements Conn.
func (c *conn) LocalAddr() netip.AddrPort { return c.local }

// Close implements Conn. It waits until nobody uses the socket.
func (c *conn) Close() (err error) {
	c.closing.Do(func() {
		err = c.reader.Close()
		c.writer.polled.Close()
		c.file.Close()
	})
	return err
}
