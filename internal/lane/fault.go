package lane

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// Did is what a peer did that made a call fail.
type Did uint8

// What peers do.
const (
	Refused Did = iota + 1 // nobody listens there, a firewall, or not for us (403)
	Busy                   // has too much to do (503): ask later
	Lacks                  // has no such block, or not yet a manifest (404)
	Hung                   // nothing came for two seconds, or too little in sum
	Closed                 // closed early
	TooLong                // sent, or was about to send, more than there can be
	Garbled                // sent something else than what was asked for
)

func (d Did) String() string {
	names := [...]string{"", "refused", "is busy", "does not have it", "hung", "closed early", "sent too much", "sent something else"}
	if int(d) < len(names) && d != 0 {
		return names[d]
	}
	return fmt.Sprintf("did %d", uint8(d))
}

// A Fault is the error of a call that its peer made fail.
type Fault struct {
	Peer netip.AddrPort
	TFTP bool // not HTTP
	Did  Did
	Err  error // more exactly; nil if there is no more to say
}

func (f *Fault) Error() string {
	by := "HTTP"
	if f.TFTP {
		by = "TFTP"
	}
	if f.Err == nil {
		return fmt.Sprintf("%v %v (%s)", f.Peer, f.Did, by)
	}
	return fmt.Sprintf("%v %v (%s): %v", f.Peer, f.Did, by, f.Err)
}

func (f *Fault) Unwrap() error { return f.Err }

// did returns what an error of a socket says about the other side; 0 if nothing.
func did(err error) Did {
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Hung
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return Refused
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Closed
	}
	return 0
}
