package lane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

func newClient(t *testing.T) *Client {
	c := NewClient(loopback)
	t.Cleanup(c.Close)
	return c
}

// impatient returns a client for servers that hang. Others may be slow on a busy
// machine.
func impatient(t *testing.T) *Client {
	c := newClient(t)
	c.silence = 200 * time.Millisecond
	c.total = func(int64) time.Duration { return time.Second }
	return c
}

// clientFor returns one for a server that makes a call fail in this way.
func clientFor(t *testing.T, did Did) *Client {
	if did == Hung {
		return impatient(t)
	}
	return newClient(t)
}

func TestClientGetsWhatServersHave(t *testing.T) {
	s := newMade(t)
	c := newClient(t)
	ctx, id := t.Context(), s.m.ID()
	for what, store := range map[string]Store{"sender": NewPackedStore(s), "peer": newPeer(s, 7, 9, 50)} {
		server := serve(t, ServerConfig{Store: store})
		if b, err := c.Manifest(ctx, server.Addr(), id, len(s.m.Bytes())); err != nil || !bytes.Equal(b, s.m.Bytes()) {
			t.Errorf("%s: manifest of %d bytes, %v", what, len(b), err)
		}
		have, err := c.Have(ctx, server.Addr(), id, s.m.Blocks())
		if err != nil {
			t.Fatalf("%s: have: %v", what, err)
		}
		buf := make([]byte, 0, protocol.MaxFrame)
		for i := range s.m.Blocks() {
			sbn := protocol.SBN(i)
			if have.Has(i) != store.Has(sbn) {
				t.Fatalf("%s: have says %v about block %d", what, have.Has(i), i)
			}
			b, err := c.Block(ctx, server.Addr(), id, sbn, buf)
			if !have.Has(i) {
				wantFault(t, err, server.Addr(), Lacks)
			} else if err != nil || !bytes.Equal(b, s.packed(sbn, sbn)) || &b[0] != &buf[:1][0] {
				t.Fatalf("%s: block %d: %d bytes, %v", what, i, len(b), err)
			}
		}
	}
}

// wantFault wants an error that tells which peer did what.
func wantFault(t *testing.T, err error, peer netip.AddrPort, did Did) {
	t.Helper()
	f, ok := errors.AsType[*Fault](err)
	if !ok || f.Peer != peer || f.Did != did {
		t.Errorf("error %q, want one that says that %v %v", err, peer, did)
		return
	}
	if text := f.Error(); !strings.Contains(text, peer.String()) || !strings.Contains(text, did.String()) {
		t.Errorf("%q does not name %v and that it %v", text, peer, did)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	var accepted atomic.Int32
	l := listen(t, func(c net.Conn) {
		accepted.Add(1)
		for readHead(c) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")
		}
	})
	c := newClient(t)
	for range 20 {
		if _, err := c.Block(t.Context(), l.at, image.ID{}, 7, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections for one request after the other", n)
	}
}

// A server may close a connection at the moment in which the client uses it
// again: that is nobody's fault.
func TestConnectionThatWasClosedWhileIdle(t *testing.T) {
	s := newMade(t)
	l := listen(t, func(conn net.Conn) {
		readHead(conn)
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", s.m.FrameLen(0), s.frame(0))
	})
	c := newClient(t)
	for range 5 {
		if _, err := c.Block(t.Context(), l.at, s.m.ID(), 0, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// scripted is a server that does one thing to each connection and closes it.
type scripted struct {
	net.Listener
	at netip.AddrPort
}

func listen(t *testing.T, do func(net.Conn)) *scripted {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				do(conn)
			}()
		}
	}()
	return &scripted{l, l.Addr().(*net.TCPAddr).AddrPort()}
}

// readHead reads a request.
func readHead(c net.Conn) bool {
	b := make([]byte, 4096)
	for n := 0; !bytes.Contains(b[:n], []byte("\r\n\r\n")); {
		m, err := c.Read(b[n:])
		if err != nil {
			return false
		}
		n += m
	}
	return true
}

func answer(text string) func(net.Conn) {
	return func(c net.Conn) {
		readHead(c)
		io.WriteString(c, text)
	}
}

// untilClosed waits until the other side closes.
func untilClosed(c net.Conn) { io.Copy(io.Discard, c) }

func TestBadPeersAreNamedWithWhatTheyDid(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		what string
		do   func(net.Conn)
		did  Did
	}{
		{"accepts and says nothing", untilClosed, Hung},
		{"hangs in the head", func(c net.Conn) { io.WriteString(c, ok+"Content-Le"); untilClosed(c) }, Hung},
		{"hangs after the head", func(c net.Conn) { io.WriteString(c, ok+"Content-Length: 100\r\n\r\n"); untilClosed(c) }, Hung},
		{"hangs in the body", func(c net.Conn) { io.WriteString(c, ok+"Content-Length: 100\r\n\r\nabc"); untilClosed(c) }, Hung},
		{"drips", drip, Hung},
		{"closes at once", func(net.Conn) {}, Closed},
		{"closes after the request", answer(""), Closed},
		{"closes in the head", answer("HTTP/1.1 200"), Closed},
		{"closes in the body", answer(ok + "Content-Length: 100\r\n\r\nabc"), Closed},
		{"resets", func(c net.Conn) { readHead(c); c.(*net.TCPConn).SetLinger(0) }, Closed},
		{"announces too much", answer(ok + "Content-Length: 2000000000\r\n\r\nabc"), TooLong},
		{"announces a byte too much", answer(ok + fmt.Sprintf("Content-Length: %d\r\n\r\n", protocol.MaxFrame+1)), TooLong},
		{"sends more than it announced", answer(ok + "Content-Length: 3\r\n\r\nabcdef"), TooLong},
		{"a head without an end", func(c net.Conn) { readHead(c); endless(c, "X: y\r\n") }, TooLong},
		{"a line without an end", func(c net.Conn) { readHead(c); endless(c, "xxxxxxxxxx") }, TooLong},
		{"announces nothing", answer(ok + "Content-Length: 0\r\n\r\n"), Garbled},
		{"does not say how much", answer(ok + "\r\nabc"), Garbled},
		{"sends chunks", answer(ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), Garbled},
		{"a negative length", answer(ok + "Content-Length: -1\r\n\r\nabc"), Garbled},
		{"two lengths", answer(ok + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc"), Garbled},
		{"speaks SSH", answer("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Garbled},
		{"speaks in tongues", answer("\x1b]0;mine\x07\x00\xff\r\n\r\n"), Garbled},
		{"redirects", answer("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"), Garbled},
		{"continues", answer("HTTP/1.1 100 Continue\r\n\r\n"), Garbled},
		{"has an error", answer("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), Garbled},
		{"forbids", answer("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), Refused},
		{"is busy", answer("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), Busy},
		{"lacks what it listed", answer("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), Lacks},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			l := listen(t, tt.do)
			b, err := clientFor(t, tt.did).Block(t.Context(), l.at, image.ID{}, 7, nil)
			if err == nil {
				t.Fatalf("no error, but %d bytes", len(b))
			}
			wantFault(t, err, l.at, tt.did)
			if protocol.Text(err.Error(), 1000) != err.Error() {
				t.Errorf("%q goes to the terminal as it came", err)
			}
		})
	}
}

// drip sends a byte now and then, so that there never is a long silence.
func drip(c net.Conn) {
	readHead(c)
	io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
	for range time.Tick(20 * time.Millisecond) {
		if _, err := io.WriteString(c, "x"); err != nil {
			return
		}
	}
}

func endless(c net.Conn, text string) {
	io.WriteString(c, "HTTP/1.1 200 OK\r\n")
	for {
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

func TestNobodyThere(t *testing.T) {
	l := listen(t, func(net.Conn) {})
	l.Close()
	_, err := newClient(t).Block(t.Context(), l.at, image.ID{}, 7, nil)
	wantFault(t, err, l.at, Refused)
}

func TestBadSets(t *testing.T) {
	for _, body := range []string{"\x02", "\x01\xff\xff\xff\xff\xff\xff\xff\xff", "\x00\x80\x80", "garbage?"} {
		l := listen(t, answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)))
		_, err := newClient(t).Have(t.Context(), l.at, image.ID{}, 63)
		wantFault(t, err, l.at, Garbled)
	}
	long := strings.Repeat("x", blockset.MaxBinary(63)+1)
	l := listen(t, answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long)))
	_, err := newClient(t).Have(t.Context(), l.at, image.ID{}, 63)
	wantFault(t, err, l.at, TooLong)
}

func TestManifestOfAnotherSize(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	c := newClient(t)
	_, err := c.Manifest(t.Context(), server.Addr(), s.m.ID(), len(s.m.Bytes())-1)
	wantFault(t, err, server.Addr(), TooLong)
	_, err = c.Manifest(t.Context(), server.Addr(), s.m.ID(), len(s.m.Bytes())+1)
	wantFault(t, err, server.Addr(), Garbled)
}

func TestCallsEndWithTheirContext(t *testing.T) {
	asked := make(chan struct{}, 1)
	l := listen(t, func(c net.Conn) {
		readHead(c)
		asked <- struct{}{}
		untilClosed(c)
	})
	c := newClient(t)
	c.silence = time.Hour
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-asked; cancel(cause) }()
	if _, err := c.Block(ctx, l.at, image.ID{}, 7, nil); err != cause {
		t.Errorf("%v, want %v", err, cause)
	}
	if _, err := c.Block(ctx, l.at, image.ID{}, 7, nil); err != cause {
		t.Errorf("after the end: %v, want %v", err, cause)
	}
}
