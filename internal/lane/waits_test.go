package lane

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/gate"
)

// pipes is a listener whose connections come from any address and take nothing
// that nobody reads, in the time of a test.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("192.0.2.1:80"))
}

type pipe struct {
	net.Conn
	from net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.from }

// dial returns a connection that comes from an address.
func (p *pipes) dial(from string) net.Conn {
	here, there := net.Pipe()
	p.accept <- pipe{there, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
	return here
}

// inside runs a test against a server for 192.0.2.64/26.
func inside(t *testing.T, cfg ServerConfig, do func(t *testing.T, l *pipes, s *made)) {
	synctest.Test(t, func(t *testing.T) {
		l, s := &pipes{make(chan net.Conn), make(chan struct{})}, newMade(t)
		cfg.Store, cfg.Allowed = NewPackedStore(s), netip.MustParsePrefix("192.0.2.64/26")
		defer serveOn(t.Context(), l, cfg).Close()
		do(t, l, s)
	})
}

// status asks on a connection for the manifest; 0 for no answer.
func status(c net.Conn, s *made) int {
	go io.WriteString(c, get("/images/"+s.m.ID().String()+"/manifest"))
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, r.Body)
	return r.StatusCode
}

func TestServerKnowsWhoMayAsk(t *testing.T) {
	inside(t, ServerConfig{}, func(t *testing.T, l *pipes, s *made) {
		for from, want := range map[string]int{
			"127.0.0.1:5": 200, "192.0.2.64:5": 200, "192.0.2.127:5": 200, "[::ffff:192.0.2.99]:5": 200,
			"192.0.2.63:5": 403, "192.0.2.128:5": 403, "203.0.113.1:5": 403, "10.0.0.1:5": 403, "[2001:db8::1]:5": 403,
		} {
			c := l.dial(from)
			if got := status(c, s); got != want {
				t.Errorf("from %s: %d, want %d", from, got, want)
			}
			c.Close()
		}
	})
}

// Who may not ask cannot keep out those who may.
func TestStrangersTakeNoPlaces(t *testing.T) {
	inside(t, ServerConfig{Connections: 2, PerClient: 2}, func(t *testing.T, l *pipes, s *made) {
		for i := range 20 {
			c := l.dial(fmt.Sprintf("203.0.113.%d:5", i))
			defer c.Close()
			go io.Copy(io.Discard, c)
		}
		c := l.dial("192.0.2.70:5")
		defer c.Close()
		if got := status(c, s); got != 200 {
			t.Errorf("a machine of the subnet gets %d", got)
		}
	})
}

// Whatever a client does not do, its connection ends, and its place is free.
func TestConnectionsThatWaitEnd(t *testing.T) {
	path := func(s *made) string { return "/" + name{id: s.m.ID(), kind: blocksKind, first: 0, last: 63}.String() }
	for _, tt := range []struct {
		what   string
		client func(c net.Conn, s *made)
		within time.Duration
	}{
		{"says nothing", func(net.Conn, *made) {}, headTime},
		{"sends its head byte by byte", func(c net.Conn, s *made) {
			go io.Copy(io.Discard, c)
			for b := range strings.SplitSeq(get(path(s)), "") {
				if _, err := io.WriteString(c, b); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, headTime},
		{"does not read", func(c net.Conn, s *made) { io.WriteString(c, get(path(s))) }, partTime},
		{"reads a part and no more", func(c net.Conn, s *made) {
			io.WriteString(c, get(path(s)))
			io.ReadFull(c, make([]byte, 1000))
		}, partTime},
		{"reads slowly", func(c net.Conn, s *made) {
			io.WriteString(c, get(path(s)))
			for {
				if _, err := io.ReadFull(c, make([]byte, partSize/4)); err != nil {
					return
				}
				time.Sleep(partTime / 5)
			}
		}, gate.TotalTime(400 << 10)},
		{"asks no more", func(c net.Conn, s *made) {
			fmt.Fprintf(c, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", path(s))
			http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "HEAD"})
		}, idleTime},
		{"announces a body", func(c net.Conn, s *made) {
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
			http.ReadResponse(bufio.NewReader(c), nil)
		}, time.Second},
		{"begins a body without a length", func(c net.Conn, s *made) {
			io.WriteString(c, "GET "+path(s)+" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n")
			http.ReadResponse(bufio.NewReader(c), nil)
		}, time.Second},
	} {
		t.Run(tt.what, func(t *testing.T) {
			inside(t, ServerConfig{Connections: 1, PerClient: 1}, func(t *testing.T, l *pipes, s *made) {
				from, began := "192.0.2.70:5", time.Now()
				c := l.dial(from)
				var client sync.WaitGroup
				client.Go(func() { tt.client(c, s) })
				for { // a second of one client is closed for as long as the first is there
					time.Sleep(100 * time.Millisecond)
					again := l.dial(from)
					got := status(again, s)
					again.Close()
					took := time.Since(began)
					if got == 200 {
						break
					}
					if took > tt.within+2*time.Second {
						t.Errorf("it holds its place for more than %v", took)
						break
					}
				}
				c.Close()
				client.Wait()
			})
		})
	}
}

// An address that says of no network is not taken for one of nobody.
func TestSubnets(t *testing.T) {
	for from, want := range map[string]string{"192.0.2.70/26": "192.0.2.64/26", "192.0.2.7/31": "192.0.2.6/31", "127.0.0.1/32": "127.0.0.1/32", "192.0.2.7/32": ""} {
		got, err := wide(netip.MustParsePrefix(from))
		if want == "" {
			if err == nil || !strings.Contains(err.Error(), from) || !strings.Contains(err.Error(), "/24") {
				t.Errorf("%s: %v, %v; want an error with what to do", from, got, err)
			}
		} else if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", from, got, err, want)
		}
	}
}
