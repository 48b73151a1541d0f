package lane

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// listener bounds connections. One beyond is closed without a word where a
// client has too many; where there are too many in all it is let in as busy, to
// be told so, but only a quarter more.
type listener struct {
	net.Listener
	quota *quota
	most  int // not busy
}

func newListener(l net.Listener, most, each int) *listener {
	return &listener{Listener: l, quota: newQuota(most+most/4+1, each), most: most}
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who := hostOf(c.RemoteAddr())
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

// markBusy is an http.Server's ConnContext.
func markBusy(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*counted); ok && c.busy {
		return context.WithValue(ctx, busyKey{}, true)
	}
	return ctx
}

// hostOf returns the host of a TCP or UDP address.
func hostOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap()
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
