package simnet

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

// blockedRecheck is how long a blocked write waits at most before it looks
// whether the link's rate was changed meanwhile.
const blockedRecheck = 10 * time.Millisecond

// socket is an mcast.Conn; one that listens to a group is handed out as an
// mcast.Reader.
type socket struct {
	host   *Host
	local  netip.AddrPort
	source netip.Addr // the only one to hear, if valid
	buffer int        // bytes
	timer  *time.Timer
	wake   chan struct{} // something was queued
	done   chan struct{} // closed with the socket

	// writing is held by the one who writes: a mutex would keep synctest's
	// clock from moving while another waits for it.
	writing chan struct{}

	mu       sync.Mutex
	queue    []row
	queued   int // bytes
	overflow uint64
	closed   bool
}

func newSocket(h *Host, local netip.AddrPort, source netip.Addr) *socket {
	return &socket{
		host:    h,
		local:   local,
		source:  source,
		buffer:  h.receiveBuffer,
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		writing: make(chan struct{}, 1),
	}
}

func (s *socket) accepts(from netip.AddrPort) bool {
	return !s.source.IsValid() || s.source == from.Addr()
}

// enqueue puts r into the receive buffer as far as it has room.
func (s *socket) enqueue(r row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	n := r.len()
	fit := n
	if free := s.buffer - s.queued; free < len(r.data) {
		fit = free / r.size
		s.overflow += uint64(n - fit)
	}
	if fit == 0 {
		return
	}
	r = r.part(0, fit)
	s.queue = append(s.queue, r)
	s.queued += len(r.data)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Read implements mcast.Reader.
func (s *socket) Read(b *mcast.Batch, deadline time.Time) error {
	b.Reset()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 && !s.isClosed() {
			return os.ErrDeadlineExceeded
		}
		if s.timer == nil {
			s.timer = time.NewTimer(left)
		}
		s.timer.Reset(left)
		defer s.timer.Stop()
		expired = s.timer.C
	}
	for {
		if s.isClosed() {
			return net.ErrClosed
		}
		if s.take(b) {
			return nil
		}
		select {
		case <-s.wake:
		case <-s.done:
		case <-expired:
			return os.ErrDeadlineExceeded
		}
	}
}

// take moves queued rows to b and reports whether there were any.
func (s *socket) take(b *mcast.Batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for n < len(s.queue) && !b.Full() {
		r := s.queue[n]
		b.Append(r.data, r.size, r.from)
		s.queued -= len(r.data)
		n++
	}
	clear(s.queue[:n])
	s.queue = s.queue[n:]
	return n > 0
}

func (s *socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Overflow implements mcast.Reader.
func (s *socket) Overflow() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.overflow
}

// BufferSize implements mcast.Reader.
func (s *socket) BufferSize() int { return s.buffer }

// SetPace implements mcast.Conn: no queue here spaces packets.
func (s *socket) SetPace(int64) {}

// Queued implements mcast.Conn: all of the host's sockets have one queue.
func (s *socket) Queued() int {
	s.host.net.mu.Lock()
	defer s.host.net.mu.Unlock()
	return s.host.out.backlog(time.Now())
}

// Pause implements mcast.Conn.
func (s *socket) Pause(d time.Duration) { time.Sleep(d) }

// LocalAddr implements mcast.Conn.
func (s *socket) LocalAddr() netip.AddrPort { return s.local }

// Close implements mcast.Reader.
func (s *socket) Close() error {
	s.mu.Lock()
	already := s.closed
	s.closed = true
	s.queue = nil
	s.mu.Unlock()
	if already {
		return net.ErrClosed
	}
	s.end()
	return nil
}

// end lets go of a socket that has just been closed.
func (s *socket) end() {
	close(s.done)
	s.host.remove(s)
}

// WriteTo implements mcast.Conn.
func (s *socket) WriteTo(d []byte, to netip.AddrPort) error {
	if err := s.check(len(d), to); err != nil {
		return err
	}
	return s.locked(func() error {
		return s.write(append([]byte(nil), d...), len(d), to)
	})
}

// WriteTrains implements mcast.Conn.
func (s *socket) WriteTrains(to netip.AddrPort, trains []mcast.Train) error {
	for _, t := range trains {
		if err := t.Validate(); err != nil {
			return err
		}
		if err := s.check(t.Size, to); err != nil {
			return err
		}
	}
	return s.locked(func() error {
		for _, t := range trains {
			data := make([]byte, 0, t.Len()*t.Size)
			for _, p := range t.Parts {
				data = append(data, p...)
			}
			if err := s.write(data, t.Size, to); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *socket) check(size int, to netip.AddrPort) error {
	if !to.Addr().Is4() {
		return fmt.Errorf("send to %s: not an IPv4 address", to)
	}
	if mtu := s.host.MTU(); size+mcast.HeaderBytes > mtu {
		return fmt.Errorf("%w: %d bytes and %d of headers, mtu %d", mcast.ErrTooLarge, size, mcast.HeaderBytes, mtu)
	}
	return nil
}

func (s *socket) locked(write func() error) error {
	select {
	case s.writing <- struct{}{}:
	case <-s.done:
		return net.ErrClosed
	}
	defer func() { <-s.writing }()
	return write()
}

// write sends one row of datagrams once the host's link has room for it.
func (s *socket) write(data []byte, size int, to netip.AddrPort) error {
	all := rows(data, size, s.local, to)
	for {
		if s.isClosed() {
			return net.ErrClosed
		}
		wait := s.host.trySend(all, len(data))
		if wait == 0 {
			return nil
		}
		select {
		case <-time.After(wait):
		case <-s.done:
		}
	}
}

// trySend sends rows if the send buffer has room for their bytes, and else
// returns how long to wait.
func (h *Host) trySend(all []row, bytes int) time.Duration {
	n := h.net
	n.mu.Lock()
	defer n.mu.Unlock()
	waiting := h.out.backlog(time.Now())
	if over := waiting + bytes - n.opts.SendBuffer; waiting > 0 && over > 0 {
		return min(max(h.out.wireTime(over), time.Microsecond), blockedRecheck)
	}
	for _, r := range all {
		n.send(h, r)
	}
	return 0
}

// remove forgets a closed socket.
func (h *Host) remove(s *socket) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	all := h.sockets[s.local]
	for i, one := range all {
		if one == s {
			h.sockets[s.local] = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	if len(h.sockets[s.local]) == 0 {
		delete(h.sockets, s.local)
	}
	if s.local.Addr().IsMulticast() {
		h.net.leave(s)
	}
}
