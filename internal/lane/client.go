package lane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/gate"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// silence is how long a peer may send nothing.
const silence = 2 * time.Second

// A Client fetches from peers and from the sender. Its methods may be called
// from many goroutines. Each call ends: when its context does, when nothing has
// come for two seconds, and when less than 64 KiB/s came after ten. An error is a
// *Fault, the cause of the context's end, what the caller's own function returned,
// or what this machine itself could not do.
type Client struct {
	local   netip.Addr
	silence time.Duration
	total   func(size int64) time.Duration
	idle    idle
	tftp    chan struct{} // a place for each transfer
}

// NewClient returns a client whose connections come from the address local; the
// zero Addr leaves that to the kernel.
func NewClient(local netip.Addr) *Client {
	return &Client{local: local, silence: silence, total: gate.TotalTime, tftp: make(chan struct{}, parallel)}
}

// Close closes the connections that wait for another request.
func (c *Client) Close() { c.idle.close() }

// Manifest fetches the manifest of image id, of size bytes, by HTTP.
func (c *Client) Manifest(ctx context.Context, at netip.AddrPort, id image.ID, size int) ([]byte, error) {
	n := name{id: id, kind: manifestKind}
	if size < 1 || size > protocol.MaxManifest {
		return nil, fmt.Errorf("manifest of %d bytes: it has 1 to %d", size, protocol.MaxManifest)
	}
	return c.get(ctx, at, n, nil, size, size)
}

// Have asks which blocks of image id, which has so many, can be had there.
func (c *Client) Have(ctx context.Context, at netip.AddrPort, id image.ID, blocks int) (*blockset.Set, error) {
	n := name{id: id, kind: haveKind}
	b, err := c.get(ctx, at, n, nil, 1, blockset.MaxBinary(blocks))
	if err != nil {
		return nil, err
	}
	set, err := blockset.Parse(b, blocks)
	if err != nil {
		return nil, &Fault{Peer: at, Did: Garbled, Err: err}
	}
	return set, nil
}

// Block fetches one zstd frame of data block s of image id into dst's memory,
// which it overwrites; protocol.MaxFrame bytes always suffice, and with less it
// may allocate. The frame is not verified.
func (c *Client) Block(ctx context.Context, at netip.AddrPort, id image.ID, s protocol.SBN, dst []byte) ([]byte, error) {
	n := name{id: id, kind: blockKind, first: s, last: s}
	return c.get(ctx, at, n, dst, 1, protocol.MaxFrame)
}

// get asks for n and reads the answer, of least to most bytes, into dst's memory.
func (c *Client) get(ctx context.Context, at netip.AddrPort, n name, dst []byte, least, most int) ([]byte, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	// A connection that has waited may have been closed meanwhile: that is no
	// fault of the peer's.
	if conn := c.idle.take(at); conn != nil {
		b, err := c.ask(ctx, conn, n, dst, least, most)
		if !errors.Is(err, errStale) {
			return b, c.fault(ctx, at, err)
		}
	}
	conn, err := c.dial(ctx, at)
	if err != nil {
		return nil, c.fault(ctx, at, err)
	}
	b, err := c.ask(ctx, conn, n, dst, least, most)
	return b, c.fault(ctx, at, err)
}

// fault makes of any error what callers get.
func (c *Client) fault(ctx context.Context, at netip.AddrPort, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		f = &Fault{Did: did(err), Err: err}
	}
	if f.Did == 0 {
		return fmt.Errorf("ask %v: %w", at, f.Err)
	}
	f.Peer = at
	return f
}

func (c *Client) dial(ctx context.Context, at netip.AddrPort) (*conn, error) {
	d := net.Dialer{Timeout: c.silence}
	if c.local.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.local, 0))
	}
	s, err := d.DialContext(ctx, "tcp4", at.String())
	if err != nil {
		return nil, err
	}
	return newConn(s, at, c.silence), nil
}

// ask sends a request and reads the answer. It closes the connection or puts it
// back.
func (c *Client) ask(ctx context.Context, k *conn, n name, dst []byte, least, most int) ([]byte, error) {
	reuse := false
	stop := context.AfterFunc(ctx, func() { k.Close() })
	defer func() {
		if stop() && reuse {
			c.idle.put(k)
		} else {
			k.Close()
		}
	}()
	if err := k.request(n, time.Now().Add(c.total(int64(most)))); err != nil {
		return nil, err
	}
	size, more, err := k.head(least, most)
	if err != nil {
		return nil, err
	}
	if cap(dst) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	if err := k.body(dst); err != nil {
		return nil, err
	}
	reuse = more
	return dst, nil
}
