package lane

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// conn is a client's HTTP connection. It is not net/http's, which prints what an
// idle server sends, and knows neither how long nothing came nor what a peer did
// that broke it.
type conn struct {
	net.Conn
	at      netip.AddrPort
	silence time.Duration
	until   time.Time // the end of the exchange, at the latest
	left    int64     // bytes that may come yet
	got     int64     // bytes of this exchange
	used    bool      // there was one before
	failed  error     // of the last read
	reader  *bufio.Reader
	rested  time.Time // since when it is idle
}

func newConn(s net.Conn, at netip.AddrPort, silence time.Duration) *conn {
	c := &conn{Conn: s, at: at, silence: silence}
	c.reader = bufio.NewReaderSize(c, readBuffer)
	return c
}

const (
	readBuffer = 4 << 10
	mostHead   = 16 << 10 // bytes of an answer's head, with what the buffer holds behind it
)

// errHead: the head of an answer does not end.
var errHead = errors.New("a head without an end")

// Read implements io.Reader within the bounds of the exchange.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		c.failed = errHead
		return 0, errHead
	}
	by := time.Now().Add(c.silence)
	if c.until.Before(by) {
		by = c.until
	}
	if err := c.SetReadDeadline(by); err != nil {
		c.failed = err
		return 0, err
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.got += int64(n)
	c.failed = err
	return n, err
}

// errStale: the connection was closed before an answer came, by a peer that may
// have done so before it was asked.
var errStale = errors.New("closed while idle")

// request begins an exchange.
func (c *conn) request(n name, until time.Time) error {
	c.until, c.got, c.left, c.failed = until, 0, mostHead, nil
	c.SetWriteDeadline(time.Now().Add(c.silence))
	_, err := fmt.Fprintf(c.Conn, "GET /%v HTTP/1.1\r\nHost: %v\r\n\r\n", n, c.at)
	if err != nil && c.used && did(err) == Closed {
		return errStale
	}
	return err
}

// head reads the head of the answer. It returns the length of the body, of least
// to most bytes, and whether there can be another exchange after it.
func (c *conn) head(least, most int) (size int, more bool, err error) {
	r, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, false, c.headError(err)
	}
	length := r.ContentLength
	switch {
	case r.StatusCode != http.StatusOK:
		return 0, false, &Fault{Did: saidBy(r.StatusCode), Err: fmt.Errorf("status %d", r.StatusCode)}
	case length < 0 || len(r.TransferEncoding) > 0:
		return 0, false, &Fault{Did: Garbled, Err: errors.New("an answer without its length")}
	case length > int64(most):
		return 0, false, &Fault{Did: TooLong, Err: fmt.Errorf("announced %d bytes instead of at most %d", length, most)}
	case length < int64(least):
		return 0, false, &Fault{Did: Garbled, Err: fmt.Errorf("announced %d bytes instead of at least %d", length, least)}
	}
	return int(length), !r.Close, nil
}

// saidBy returns what an HTTP status other than 200 says.
func saidBy(status int) Did {
	switch status {
	case http.StatusForbidden:
		return Refused
	case http.StatusServiceUnavailable:
		return Busy
	case http.StatusNotFound:
		return Lacks
	}
	return Garbled
}

// headError says why there was no head.
func (c *conn) headError(err error) error {
	switch {
	case c.failed == nil: // all that came was read, and is no head
		return &Fault{Did: Garbled, Err: errors.New(protocol.Text(err.Error(), protocol.MaxText))}
	case c.failed == errHead:
		return &Fault{Did: TooLong, Err: errHead}
	case did(c.failed) != Closed:
		return c.failed
	case c.got > 0:
		return &Fault{Did: Closed, Err: errors.New("in the head of its answer")}
	case c.used:
		return errStale
	}
	return &Fault{Did: Closed, Err: errors.New("without an answer")}
}

// body fills p and ends the exchange.
func (c *conn) body(p []byte) error {
	c.left = int64(len(p)) + readBuffer
	n, err := io.ReadFull(c.reader, p)
	if err != nil {
		return &Fault{Did: did(err), Err: fmt.Errorf("after %d of %d bytes: %w", n, len(p), err)}
	}
	if c.reader.Buffered() > 0 {
		return &Fault{Did: TooLong, Err: fmt.Errorf("more than the %d bytes that it announced", len(p))}
	}
	c.used = true
	return nil
}
