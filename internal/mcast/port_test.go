package mcast_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
)

// chosenPort is part of the conformance suite.
func chosenPort(t *testing.T, hosts world) {
	any := open(t, hosts[0])
	port := any.LocalAddr().Port()
	if c, err := hosts[0].Open(port); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port that is taken: %v, error %v, want %v", c, err, syscall.EADDRINUSE)
	}
	any.Close()
	// A group with the same port is another address.
	g := netip.AddrPortFrom(group.Addr(), port)
	r := listen(t, hosts[0], g, anySource)
	for i, h := range hosts[:2] { // another machine's ports are its own
		c, err := h.Open(port)
		if err != nil {
			t.Fatalf("host %d: %v", i, err)
		}
		defer c.Close()
		if want := netip.AddrPortFrom(h.Addr(), port); c.LocalAddr() != want {
			t.Errorf("local address %v, want %v", c.LocalAddr(), want)
		}
		sender := open(t, hosts[2])
		send(t, sender, "to the port", c.LocalAddr())
		hears(t, c, "to the port", sender.LocalAddr())
		send(t, sender, "to the group", g)
		hears(t, r, "to the group", sender.LocalAddr())
		hearsNothing(t, c)
	}
}
