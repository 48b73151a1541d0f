package mcast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// trainsPerCall is as many full trains as the largest send buffer takes.
	trainsPerCall = 16
	// singlesPerCall is the same for datagrams sent one per message.
	singlesPerCall = 128
	// A queue at the link that is out of memory has room again when it has sent
	// something; a second without that is a fault to report.
	noBufferPause = time.Millisecond
	noBufferTries = 1000
)

// writer sends trains through one socket.
type writer struct {
	raw    syscall.RawConn
	mtu    int
	polled *os.File // a watch of the socket, see conn
	wait   syscall.RawConn

	mu      sync.Mutex
	gso     bool // this device can segment, for all we know
	name    unix.RawSockaddrInet4
	headers []mmsghdr
	iovecs  []unix.Iovec
	single  [PartsPer][]byte
	segment [trainsPerCall]segmentControl

	// Of the call being made. send is the func value of sendmmsg, made once
	// because making it allocates.
	calls int // headers in use
	sent  int
	errno syscall.Errno
	send  func(fd uintptr) bool
}

// segmentControl is the control message UDP_SEGMENT (udp(7)): the length of
// each datagram of the message, a uint16.
type segmentControl struct {
	header unix.Cmsghdr
	size   [8]byte // padded to the alignment of control messages
}

// position is the next datagram to send of a row of trains.
type position struct{ train, datagram int }

func newWriter(raw syscall.RawConn, mtu int, gso bool) *writer {
	w := &writer{
		raw:     raw,
		mtu:     mtu,
		gso:     gso,
		headers: make([]mmsghdr, singlesPerCall),
		iovecs:  make([]unix.Iovec, 0, trainsPerCall*MaxTrain*PartsPer),
	}
	w.send = w.sendmmsg
	for i := range w.headers {
		h := &w.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&w.name))
		h.Namelen = unix.SizeofSockaddrInet4
	}
	for i := range w.segment {
		h := &w.segment[i].header
		h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		h.SetLen(unix.CmsgLen(2))
	}
	return w
}

// WriteTrains implements Conn.
func (w *writer) WriteTrains(to netip.AddrPort, trains []Train) error {
	if !to.Addr().Is4() {
		return fmt.Errorf("send to %s: not an IPv4 address", to)
	}
	for _, t := range trains {
		if err := t.Validate(); err != nil {
			return err
		}
		if t.Size+HeaderBytes > w.mtu {
			return tooLarge(t.Size, w.mtu)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name = rawAddr(to)
	if err := w.write(trains); err != nil {
		return writeError(err, to)
	}
	return nil
}

// WriteTo implements Conn.
func (w *writer) WriteTo(d []byte, to netip.AddrPort) error {
	if !to.Addr().Is4() {
		return fmt.Errorf("send to %s: not an IPv4 address", to)
	}
	if len(d)+HeaderBytes > w.mtu {
		return tooLarge(len(d), w.mtu)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.name, w.single[0] = rawAddr(to), d
	if err := w.write([]Train{{Parts: w.single[:], Size: len(d)}}); err != nil {
		return writeError(err, to)
	}
	return nil
}

func (w *writer) write(trains []Train) error {
	var at position
	refused := false // a segmented send was, and nothing went out since
	for tries := 0; at.train < len(trains); {
		w.fill(trains, at)
		if w.raw.Write(w.send) != nil {
			return net.ErrClosed
		}
		switch {
		case w.errno == unix.EAGAIN:
			if w.room() != nil {
				return net.ErrClosed
			}
		case w.errno == unix.EINTR:
		case w.errno == 0:
			at = w.advance(trains, at)
			refused, tries = false, 0
		case w.gso && isRefusal(w.errno):
			w.gso, refused = false, true
		case w.errno == unix.ENOBUFS && tries < noBufferTries:
			tries++
			time.Sleep(noBufferPause)
		default:
			// Not the segmenting was wrong if a single datagram is refused too.
			w.gso = w.gso || refused
			return w.errno
		}
	}
	return nil
}

// isRefusal tells the errors by which kernels and drivers say that they cannot
// segment (udp_send_skb and udp_cmsg_send of Linux 4.18 and later).
func isRefusal(errno syscall.Errno) bool {
	switch errno {
	case unix.EIO, unix.EINVAL, unix.ENOPROTOOPT, unix.EMSGSIZE, unix.EOPNOTSUPP:
		return true
	}
	return false
}

// fill prepares one sendmmsg from position at on.
func (w *writer) fill(trains []Train, at position) {
	w.calls, w.iovecs = 0, w.iovecs[:0]
	if w.gso {
		for ; at.train < len(trains) && w.calls < trainsPerCall; at = (position{at.train + 1, 0}) {
			t := trains[at.train]
			w.add(t.Parts[at.datagram*PartsPer:], t.Size, t.Len()-at.datagram)
		}
		return
	}
	for at.train < len(trains) && w.calls < singlesPerCall {
		t := trains[at.train]
		w.add(t.Parts[at.datagram*PartsPer:][:PartsPer], t.Size, 1)
		at = at.next(trains, 1)
	}
}

// add appends a message of so many datagrams.
func (w *writer) add(parts [][]byte, size, datagrams int) {
	h := &w.headers[w.calls].header
	first := len(w.iovecs)
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		v := unix.Iovec{Base: unsafe.SliceData(p)}
		v.SetLen(len(p))
		w.iovecs = append(w.iovecs, v)
	}
	h.Iov = unsafe.SliceData(w.iovecs[first:]) // an empty datagram has none
	h.SetIovlen(len(w.iovecs) - first)
	h.Control = nil
	h.SetControllen(0)
	if datagrams > 1 {
		c := &w.segment[w.calls]
		binary.NativeEndian.PutUint16(c.size[:], uint16(size))
		h.Control = (*byte)(unsafe.Pointer(c))
		h.SetControllen(unix.CmsgSpace(2))
	}
	w.calls++
}

// sendmmsg makes the call. The kernel reports an error only if nothing was sent,
// else it comes next time.
func (w *writer) sendmmsg(fd uintptr) bool {
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, fd,
		uintptr(unsafe.Pointer(&w.headers[0])), uintptr(w.calls), unix.MSG_DONTWAIT, 0, 0)
	w.sent, w.errno = int(n), errno
	return true
}

// room waits until the send buffer has room. It asks for the event just then.
func (w *writer) room() error {
	defer w.ask(0)
	asked := false
	return w.wait.Read(func(uintptr) bool {
		if asked {
			return true
		}
		asked = true
		return !w.ask(unix.EPOLLOUT)
	})
}

// ask says what w waits for; it returns whether that will be told.
func (w *writer) ask(events uint32) (ok bool) {
	err := control(w.wait, func(e int) error {
		return control(w.raw, func(fd int) error {
			return unix.EpollCtl(e, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events})
		})
	})
	return err == nil
}

// advance returns the position behind the messages that were sent.
func (w *writer) advance(trains []Train, at position) position {
	if !w.gso {
		return at.next(trains, w.sent)
	}
	if w.sent == 0 {
		return at
	}
	return position{at.train + w.sent, 0}
}

// next returns the position n datagrams further.
func (p position) next(trains []Train, n int) position {
	for range n {
		p.datagram++
		if p.datagram == trains[p.train].Len() {
			p = position{p.train + 1, 0}
		}
	}
	return p
}

func tooLarge(size, mtu int) error {
	return fmt.Errorf("%w: %d bytes and %d of headers, mtu %d", ErrTooLarge, size, HeaderBytes, mtu)
}

// writeError turns what the poller and the kernel say into what callers branch
// on.
func writeError(err error, to netip.AddrPort) error {
	switch {
	case errors.Is(err, net.ErrClosed):
		return net.ErrClosed
	case errors.Is(err, unix.EMSGSIZE):
		return fmt.Errorf("send to %s: %w (lower on the way, or changed since)", to, ErrTooLarge)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("send to %s: %w: does a firewall forbid it?", to, err)
	}
	return fmt.Errorf("send to %s: %w", to, err)
}
