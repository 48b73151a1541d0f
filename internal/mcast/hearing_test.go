package mcast_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

// What the tests of both twins say and hear.

const (
	arrives = 5 * time.Second        // long enough for anything to arrive
	silence = 100 * time.Millisecond // long enough for nothing to have arrived
)

func listen(t *testing.T, n mcast.Network, g netip.AddrPort, source netip.Addr) mcast.Reader {
	t.Helper()
	r, err := n.Listen(g, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func open(t *testing.T, n mcast.Network) mcast.Conn {
	t.Helper()
	c, err := n.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, c mcast.Conn, text string, to netip.AddrPort) {
	t.Helper()
	if err := c.WriteTo([]byte(text), to); err != nil {
		t.Fatal(err)
	}
}

type datagram struct {
	data string
	from netip.AddrPort
}

// receive reads n datagrams.
func receive(t *testing.T, r mcast.Reader, n int) []datagram {
	t.Helper()
	b := mcast.NewBatch(4)
	deadline := time.Now().Add(arrives)
	var all []datagram
	for len(all) < n {
		if err := r.Read(b, deadline); err != nil {
			t.Fatalf("after %d of %d datagrams: %v", len(all), n, err)
		}
		before := len(all)
		for d, from := range b.Datagrams() {
			all = append(all, datagram{string(d), from})
		}
		if got := len(all) - before; got != b.Len() || got == 0 {
			t.Fatalf("batch of %d yields %d datagrams", b.Len(), got)
		}
	}
	if len(all) > n {
		t.Fatalf("got %d datagrams, want %d", len(all), n)
	}
	return all
}

func hears(t *testing.T, r mcast.Reader, text string, from netip.AddrPort) {
	t.Helper()
	if got := receive(t, r, 1)[0]; got.data != text || got.from != from {
		t.Errorf("heard %q from %v, want %q from %v", got.data, got.from, text, from)
	}
}

func hearsNothing(t *testing.T, r mcast.Reader) {
	t.Helper()
	b := mcast.NewBatch(1)
	err := r.Read(b, time.Now().Add(silence))
	if !errors.Is(err, os.ErrDeadlineExceeded) || b.Len() != 0 {
		t.Errorf("heard %d datagrams, error %v; want silence", b.Len(), err)
		for d, from := range b.Datagrams() {
			t.Errorf("%q from %v", d, from)
		}
	}
}

// numbered returns a train of n datagrams that begin with consecutive numbers
// from first on; the last is short bytes long.
func numbered(first, n, size, short int) mcast.Train {
	train := mcast.Train{Size: size}
	for i := range n {
		header := binary.BigEndian.AppendUint32(nil, uint32(first+i))
		body := bytes.Repeat([]byte{byte(first + i)}, size-len(header))
		if i == n-1 {
			body = body[:short-len(header)]
		}
		train.Parts = append(train.Parts, header, body)
	}
	return train
}
