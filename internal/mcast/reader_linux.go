package mcast

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reader is the receiving half of a socket.
type reader struct {
	polled     polled
	wait       syscall.RawConn // of polled
	raw        syscall.RawConn // of the socket
	bufferSize int
	gathers    bool          // nothing there is an answer, see gatherer
	truncated  atomic.Uint64 // datagrams
	messages   atomic.Uint64 // read
	datagrams  atomic.Uint64 // in them

	overflowMu sync.Mutex
	overflow   uint64 // when it was last asked for

	// Of the goroutine in Read. recv is receive as a func value, made once
	// because making it allocates.
	deadline time.Time
	into     *buffers
	got      int
	errno    syscall.Errno
	recv     func(fd uintptr) bool
}

// polled is what the runtime's poller knows: a socket, or a watch of one.
type polled interface {
	SetReadDeadline(time.Time) error
	Close() error
}

func newReader(pc *net.UDPConn) (*reader, error) {
	raw, err := pc.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &reader{polled: pc, wait: raw, raw: raw}
	r.recv = r.receive
	var size int
	err = control(raw, func(fd int) error {
		// Best effort: without GRO every message is one datagram.
		_ = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1)
		size, err = setReceiveBuffer(fd, receiveBuffer)
		return err
	})
	r.bufferSize = size
	return r, err
}

// Read implements Reader.
func (r *reader) Read(b *Batch, deadline time.Time) error {
	r.prepare(b)
	if !deadline.Equal(r.deadline) {
		if r.polled.SetReadDeadline(deadline) != nil {
			return net.ErrClosed
		}
		r.deadline = deadline
	}
	for b.Len() == 0 { // all of a batch may have been truncated
		if err := r.wait.Read(r.recv); errors.Is(err, os.ErrDeadlineExceeded) {
			return os.ErrDeadlineExceeded
		} else if err != nil {
			return net.ErrClosed
		}
		if r.errno != 0 {
			return fmt.Errorf("receive datagrams: %w", r.errno)
		}
		r.deliver(b)
	}
	return nil
}

// prepare empties b, which the next receive is to fill.
func (r *reader) prepare(b *Batch) {
	b.Reset()
	if b.buffers == nil {
		b.buffers = newBuffers(b.limit, bufferBytes)
	}
	r.into = b.buffers
}

// receive reports false to be called again once the socket is readable.
func (r *reader) receive(fd uintptr) bool {
	for {
		r.got, r.errno = r.into.receive(fd)
		switch r.errno {
		case unix.EINTR:
		case unix.EAGAIN:
			return r.gathers
		default:
			return true
		}
	}
}

// deliver appends to b what was received, and returns its bytes.
func (r *reader) deliver(b *Batch) (bytes int) {
	for i := range r.got {
		m, truncated := b.buffers.message(i)
		if truncated > 0 {
			r.truncated.Add(uint64(truncated))
			continue
		}
		b.Append(m.data, m.size, m.from)
		bytes += len(m.data)
	}
	r.messages.Add(uint64(len(b.messages)))
	r.datagrams.Add(uint64(b.Len()))
	return bytes
}

// Overflow implements Reader. It asks for the socket's own count instead of
// taking it from SO_RXQ_OVFL, which comes with the next datagram only: after
// the last of a burst was dropped there may be none. The kernel counts a
// coalesced row as one drop; the mean row read so far stands for those.
// Datagrams too long for their buffer count as well.
func (r *reader) Overflow() uint64 {
	r.overflowMu.Lock()
	defer r.overflowMu.Unlock()
	_ = control(r.raw, func(fd int) error { // closed: the last count stays
		drops, ok := socketDrops(fd)
		if messages := r.messages.Load(); ok && messages > 0 {
			drops = uint64(float64(drops) * float64(r.datagrams.Load()) / float64(messages))
		}
		r.overflow = max(r.overflow, drops) // the mean may fall, a count may not
		return nil
	})
	return r.overflow + r.truncated.Load()
}

// BufferSize implements Reader.
func (r *reader) BufferSize() int { return r.bufferSize }

// Close implements Reader. The kernel leaves the group with the last use of the
// socket, which a blocked Read gives up at once.
func (r *reader) Close() error {
	r.Overflow()
	if r.polled.Close() != nil {
		return net.ErrClosed
	}
	return nil
}

// socketDrops returns sk_drops from SO_MEMINFO (Linux 4.12): what the kernel
// threw away because the receive buffer was full.
func socketDrops(fd int) (uint64, bool) {
	const drops = 8 // SK_MEMINFO_DROPS
	var mem [drops + 1]uint32
	size := uint32(unsafe.Sizeof(mem))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&mem)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(mem)) {
		return 0, false
	}
	return uint64(mem[drops]), true
}
