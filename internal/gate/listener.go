package gate

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Listener bounds connections, of those that may ask: others get no place. One
// beyond is closed without a word where a client has too many; where there are too
// many in all it is let in as busy, to be told so, but only a quarter more.
type Listener struct {
	net.Listener
	allowed netip.Prefix
	quota   *quota
	most    int // not busy
}

// NewListener returns a Listener on l for those in allowed and this machine itself:
// most connections at a time, and of one address each.
func NewListener(l net.Listener, allowed netip.Prefix, most, each int) *Listener {
	return &Listener{Listener: l, allowed: allowed, quota: newQuota(most+most/4+1, each), most: most}
}

// stranger is the answer to who may not ask, whatever it was going to, and
// strangerTime what it has to take it.
const (
	stranger     = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	strangerTime = 5 * time.Second
)

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := hostOf(c.RemoteAddr())
		if !Admits(l.allowed, who) {
			// A new socket has room for it: this waits for nobody.
			c.SetWriteDeadline(time.Now().Add(strangerTime))
			io.WriteString(c, stranger)
			c.Close()
			continue
		}
		nth, ok := l.quota.enter(who)
		if !ok {
			c.Close()
			continue
		}
		return &counted{Conn: c, busy: nth > l.most, leave: sync.OnceFunc(func() { l.quota.leave(who) })}, nil
	}
}

// counted is a connection that has a place in a quota.
type counted struct {
	net.Conn
	busy  bool
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// busyKey marks the context of requests that come by a busy connection.
type busyKey struct{}

// MarkBusy is the ConnContext of an http.Server on a Listener.
func MarkBusy(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*counted); ok && c.busy {
		return context.WithValue(ctx, busyKey{}, true)
	}
	return ctx
}

// Busy reports whether a request came by a connection that MarkBusy marked: it is
// to be told to come again.
func Busy(ctx context.Context) bool { return ctx.Value(busyKey{}) != nil }

// hostOf returns the host of a TCP address.
func hostOf(a net.Addr) netip.Addr {
	if a, ok := a.(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
