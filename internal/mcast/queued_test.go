package mcast_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

// TestQueued: what a slow link has not yet taken is known to wait, and then that
// it has gone.
func TestQueued(t *testing.T) {
	l := newLab(t, 1, mcast.Options{})
	l.run(l.machines[0], "tc qdisc replace dev eth0 root tbf rate 20mbit burst 72kb limit 4mb")
	c, err := l.networks[0].Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if n := c.Queued(); n != 0 {
		t.Errorf("%d bytes wait before anything was written", n)
	}
	const size, datagrams = 1400, 40
	parts := make([][]byte, datagrams*mcast.PartsPer)
	for i := range parts {
		parts[i] = make([]byte, i%mcast.PartsPer*size)
	}
	train := mcast.Train{Parts: parts, Size: size}
	group := netip.MustParseAddrPort("239.77.0.1:7000")
	if err := c.WriteTrains(group, []mcast.Train{train, train, train, train}); err != nil {
		t.Fatal(err)
	}
	if n := c.Queued(); n < size*datagrams {
		t.Errorf("%d bytes wait for a link that takes %d at once", n, 72<<10)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for c.Queued() > 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the link takes nothing")
		}
	}
}
