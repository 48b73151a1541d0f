// Package mcast moves batches of UDP datagrams: multicast from one sender to a
// room of receivers, and unicast back. A Network is one network interface of
// this machine; its sockets read and write many datagrams per system call with
// UDP GRO and GSO (Linux 5.0 and 4.18), which is worth a factor of thirty on
// the hot path, and fall back to one datagram per message where a device
// cannot do it.
//
// Package simnet is the in-memory twin of the real sockets; both pass the same
// conformance tests.
package mcast

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	// PartsPer is the number of consecutive Parts that make up one datagram of
	// a Train: a header and a symbol. Either may be empty.
	PartsPer = 2

	// MaxTrain is the most datagrams in one Train: UDP_MAX_SEGMENTS of the
	// Linux kernels before 6.9 (later ones allow 128).
	MaxTrain = 64

	// MaxPayload is the most bytes in one Train or one datagram: an IPv4
	// packet less its header and the UDP header (RFC 791, RFC 768).
	MaxPayload = 65535 - HeaderBytes

	// HeaderBytes is what IPv4 without options and UDP put before a datagram.
	HeaderBytes = 20 + 8
)

// ErrTooLarge says that a datagram does not fit the MTU of its way; datagrams
// are never fragmented.
var ErrTooLarge = errors.New("datagram larger than the network's MTU")

// Train is a row of datagrams for one destination, sent with one system call
// where the kernel can. All are Size bytes long, but the last may be shorter.
// Datagram i is the concatenation of Parts[i*PartsPer : (i+1)*PartsPer]; the
// parts are gathered, not copied, and may be reused once the write returns.
type Train struct {
	Parts [][]byte
	Size  int
}

// TrainLimit returns how many datagrams of size bytes fit in one Train, at
// least 1.
func TrainLimit(size int) int {
	if size < 1 {
		return MaxTrain
	}
	return max(1, min(MaxTrain, MaxPayload/size))
}

// Len returns the number of datagrams of t.
func (t Train) Len() int { return len(t.Parts) / PartsPer }

// Validate reports how t breaks the rules of a Train: parts that do not make
// whole datagrams, none or more than TrainLimit of them, or a length that is
// not Size before the last.
func (t Train) Validate() error {
	n := t.Len()
	switch {
	case len(t.Parts)%PartsPer != 0:
		return fmt.Errorf("train of %d parts: not a multiple of %d", len(t.Parts), PartsPer)
	case n == 0:
		return errors.New("train without datagrams")
	case t.Size < 1 || t.Size > MaxPayload:
		return fmt.Errorf("train of %d-byte datagrams: want 1 to %d", t.Size, MaxPayload)
	case n > TrainLimit(t.Size):
		return fmt.Errorf("train of %d datagrams of %d bytes: at most %d fit", n, t.Size, TrainLimit(t.Size))
	}
	for i := range n {
		got := t.datagramLen(i)
		last := i == n-1
		if got != t.Size && (!last || got > t.Size || got == 0) {
			return fmt.Errorf("datagram %d of a train is %d bytes long, want %d", i, got, t.Size)
		}
	}
	return nil
}

// datagramLen returns the length of datagram i in bytes.
func (t Train) datagramLen(i int) int {
	n := 0
	for _, p := range t.Parts[i*PartsPer : (i+1)*PartsPer] {
		n += len(p)
	}
	return n
}

// Network is one network interface of this machine.
type Network interface {
	// Name returns the interface's name, for messages.
	Name() string
	// Addr returns the IPv4 address that sockets of Open send from.
	Addr() netip.Addr
	// MTU returns the largest IPv4 packet in bytes, at most 65535.
	MTU() int
	// LinkRate returns the speed of the link in bit/s, 0 if unknown.
	LinkRate() int64
	// Listen joins group on this interface and returns a socket that hears
	// what is sent to that address and port and nothing else. With a valid
	// source it hears only that sender (RFC 4607). Any number of sockets, of
	// any number of processes, may listen to one group. Where many come, they may
	// gather for as long as gather before Read returns with them, which may be as
	// late after its deadline; 0 returns with the first.
	Listen(group netip.AddrPort, source netip.Addr, gather time.Duration) (Reader, error)
	// Open returns a unicast socket on the interface's address and this port, 0
	// any free one; syscall.EADDRINUSE is the error for one that is taken.
	// Multicast written to it leaves by this interface and is heard by listeners
	// on this machine as well.
	Open(port uint16) (Conn, error)
}

// Reader is a socket to read from. One goroutine at a time may Read; the other
// methods may be called by any.
type Reader interface {
	// Read waits for at least one datagram and fills b with all that are
	// there, as far as b holds them. It returns net.ErrClosed once the socket
	// is closed, and os.ErrDeadlineExceeded once deadline has passed, even if
	// datagrams wait; a zero deadline never passes. After an error b is empty.
	Read(b *Batch, deadline time.Time) error
	// Overflow returns how many datagrams reached this socket and were dropped
	// there because nobody read them in time: not the network's fault. It never
	// falls. With GRO it is an estimate within some per cent, because the kernel
	// counts the rows that it dropped and not their datagrams.
	Overflow() uint64
	// BufferSize returns the receive buffer that the kernel granted, in bytes.
	BufferSize() int
	// Close leaves the group; a blocked Read or write returns net.ErrClosed.
	Close() error
}

// Conn is a unicast socket that can also send multicast. Any number of
// goroutines may write.
type Conn interface {
	Reader
	// WriteTo sends one datagram.
	WriteTo(d []byte, to netip.AddrPort) error
	// WriteTrains sends trains in their order. It blocks while the send buffer
	// is full, which paces it to the local link's rate. An error says that some
	// of the datagrams were not sent: net.ErrClosed, ErrTooLarge, or what the
	// system said.
	WriteTrains(to netip.AddrPort, trains []Train) error
	// SetPace tells the kernel the bytes a second that this socket sends, 0 no
	// limit, so that a queue which can space packets evenly (fq, tc-fq(8)) does.
	// Others ignore it.
	SetPace(rate int64)
	// Queued returns about how many bytes that were written still wait on this
	// machine for its link.
	Queued() int
	// Pause waits for less than a millisecond, more exactly than timers do.
	Pause(d time.Duration)
	// LocalAddr returns the address and port that the other side answers to.
	LocalAddr() netip.AddrPort
}
