package gate

import (
	"encoding/binary"
	"errors"
	"strings"
)

// What a TFTP server says when there is nothing to send, always with the code 1:
// the library has no other.
var (
	ErrName   = errors.New("no such name")
	ErrWrite  = errors.New("read only")
	ErrMode   = errors.New("octet mode only")
	ErrBusy   = errors.New("busy: ask again later")
	ErrFailed = errors.New("it cannot be read")
	ErrClosed = errors.New("the server ends")
	ErrSlow   = errors.New("too slow")
)

// errUnanswered: nothing is said.
var errUnanswered = errors.New("not answered")

// longestRequest is the most bytes of a request (RFC 2347).
const longestRequest = 512

// checkRequest returns why a packet is no request (RFC 1350 §5) for something that
// could be here; check is asked about the name.
func checkRequest(p []byte, check func(name string) error) error {
	if len(p) < 2 || len(p) > longestRequest || p[len(p)-1] != 0 {
		return errUnanswered
	}
	op, fields := binary.BigEndian.Uint16(p), strings.Split(string(p[2:]), "\x00")
	switch {
	case op != 1 && op != 2 || len(fields) < 3:
		return errUnanswered
	case op == 2:
		return ErrWrite
	}
	if err := check(fields[0]); err != nil {
		return err
	}
	if !strings.EqualFold(fields[1], "octet") {
		return ErrMode
	}
	return nil
}

// refusal returns the answer to a request of so many bytes: not longer than that,
// nil for none.
func refusal(err error, asked int) []byte {
	room := asked - 5
	if err == errUnanswered || room < 0 {
		return nil
	}
	text := err.Error()
	return append(append([]byte{0, 5, 0, 1}, text[:min(len(text), room)]...), 0)
}
