package lane

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// raw sends a request's bytes as they are and returns the whole answer.
func raw(t *testing.T, at netip.AddrPort, request string) (*http.Response, []byte, error) {
	t.Helper()
	c, err := net.Dial("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(r.Body)
	return r, b, err
}

func get(name string) string {
	return "GET " + name + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
}

func TestServerGivesWhatItHas(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	id := s.m.ID()
	last := protocol.SBN(s.m.Blocks() - 1)
	for _, tt := range []struct {
		n    name
		want []byte
	}{
		{name{id: id, kind: manifestKind}, s.m.Bytes()},
		{name{id: id, kind: haveKind}, haveAll(s.m)},
		{name{id: id, kind: blockKind, first: 7}, s.packed(7, 7)},
		{name{id: id, kind: blocksKind, first: 2, last: 3}, nil},
		{name{id: id, kind: blocksKind, first: 5, last: 5 + MaxRange - 1}, s.packed(5, 5+MaxRange-1)},
		{name{id: id, kind: blocksKind, first: last - 3, last: last}, s.packed(last-3, last)},
	} {
		r, b, err := raw(t, server.Addr(), get("/"+tt.n.String()))
		if err != nil || r.StatusCode != 200 || !bytes.Equal(b, tt.want) {
			t.Errorf("%v: %v with %d bytes, %v; want %d bytes", tt.n, r, len(b), err, len(tt.want))
		}
		r, _, err = raw(t, server.Addr(), "HEAD"+get("/" + tt.n.String())[3:])
		if r.ContentLength != int64(len(tt.want)) {
			t.Errorf("HEAD %v: %d bytes, %v, want %d", tt.n, r.ContentLength, err, len(tt.want))
		}
	}
	server.Close() // what clients have is counted by then
	sent, blocks, at := server.Served()
	if want := int64(len(s.m.Bytes()) + len(haveAll(s.m)) + len(s.packed(7, 7)) + len(s.packed(5, 68)) + len(s.packed(last-3, last))); sent != want {
		t.Errorf("served %d bytes, want %d", sent, want)
	}
	if blocks != 1+63+3 || at.IsZero() {
		t.Errorf("served %d blocks, the last %v, want 67", blocks, at)
	}
}

func TestServerGivesNothingElse(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	for _, odd := range oddNames(s.m.ID().String()) {
		for _, request := range []string{get("/" + odd), get(strings.TrimLeft(odd, "/")), get("http://x/" + odd)} {
			if r, b, err := raw(t, server.Addr(), request); err == nil && (r.StatusCode == 200 || r.StatusCode >= 300 && r.StatusCode < 400) {
				t.Errorf("%q: %s with %.40q", request, r.Status, b)
			}
		}
	}
	if n := s.readings(); n != 0 {
		t.Errorf("the image was read %d times", n)
	}
}

func TestServerIsReadOnly(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	path := "/images/" + s.m.ID().String() + "/manifest"
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "MKCOL", "get", "BREW"} {
		for _, at := range []string{path, "/", "*"} {
			r, _, err := raw(t, server.Addr(), method+" "+at+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
			if err != nil || r.StatusCode != http.StatusMethodNotAllowed && r.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %s: %v, %v", method, at, r, err)
			}
		}
	}
	r, _, err := raw(t, server.Addr(), "GET "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
	if err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("GET with a body: %v, %v", r, err)
	}
}

func TestOneClientCannotTakeAllConnections(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s), Connections: 8, PerClient: 3})
	path := "/images/" + s.m.ID().String() + "/manifest"
	var held []net.Conn
	for range 3 {
		held = append(held, hold(t, server.Addr(), path))
	}
	if _, _, err := raw(t, server.Addr(), get(path)); err == nil {
		t.Error("a fourth connection of one client is served")
	}
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := from.Dial("tcp4", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, get(path))
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 200 {
		t.Errorf("another client gets %v, %v", r, err)
	}
	for _, c := range held {
		c.Close()
	}
	eventually(t, "places are given back", func() bool {
		r, _, err := raw(t, server.Addr(), get(path))
		return err == nil && r.StatusCode == 200
	})
}

func TestTooManyConnectionsAreToldSo(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s), Connections: 4, PerClient: 100})
	path := "/images/" + s.m.ID().String() + "/manifest"
	for range 4 {
		hold(t, server.Addr(), path)
	}
	r, _, err := raw(t, server.Addr(), get(path))
	if err != nil || r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a fifth connection gets %v, %v; want 503", r, err)
	}
}

// hold makes a connection that has been served once and stays.
func hold(t *testing.T, at netip.AddrPort, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	if r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: "HEAD"}); err != nil || r.StatusCode != 200 {
		t.Fatalf("holding a connection: %v, %v", r, err)
	}
	return c
}

// eventually asks until ok holds or the test's time is up.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
	}
	t.Errorf("not within 20 s: %s", what)
}

func TestRequestsAreBounded(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	path := "/images/" + s.m.ID().String() + "/manifest"
	for _, tt := range []struct{ what, request string }{
		{"a long name", get("/" + strings.Repeat("x", 20<<10))},
		{"a long header", "GET " + path + " HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("x", 20<<10) + "\r\n\r\n"},
		{"many headers", "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: x\r\n", 4<<10) + "\r\n"},
		{"no end", "GET " + path + " HTTP/1.1\r\nHost: x\r\n"},
		{"no request", ""},
		{"something else", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			r, b, err := raw(t, server.Addr(), tt.request)
			if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
				t.Errorf("the connection stays")
			}
			if err == nil && r.StatusCode == 200 {
				t.Errorf("served with %d bytes", len(b))
			}
		})
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	s.breakWith(errors.New("bad sector of /dev/secret"))
	base := "/images/" + s.m.ID().String()
	r, b, err := raw(t, server.Addr(), get(base+"/block/7"))
	if err != nil || r.StatusCode != 500 || strings.Contains(string(b), "secret") {
		t.Errorf("block: %v %.40q, %v", r, b, err)
	}
	if r, b, err := raw(t, server.Addr(), get(base+"/blocks/4-9")); err == nil {
		t.Errorf("blocks: %v with %d bytes ends as if whole", r.Status, len(b))
	}
}

func TestClosedServerIsGone(t *testing.T) {
	s := newMade(t)
	server := serve(t, ServerConfig{Store: NewPackedStore(s)})
	path := "/images/" + s.m.ID().String() + "/manifest"
	held := hold(t, server.Addr(), path)
	server.Close()
	held.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := held.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an old connection: %v", err)
	}
	if c, err := net.Dial("tcp4", server.Addr().String()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
	server.Close()
}

// TestBodyThatNeverComesHoldsNothing: whoever announces one is refused, and its
// connection ends.
func TestBodyThatNeverComesHoldsNothing(t *testing.T) {
	server := serve(t, ServerConfig{Store: NewPackedStore(newMade(t))})
	c, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
	if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 405 ") {
		t.Errorf("%q, error %v", answer, err)
	}
}
