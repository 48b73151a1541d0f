package room

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/protocol"
)

// A machine waits for its sender behind a switch that filters multicast, where
// nobody asks, until the switch has forgotten it. A sender that asks nobody
// either waits for it in vain; one that does finds it.
func TestMachineThatTheSwitchForgot(t *testing.T) {
	t.Parallel()
	r := newRoomIn(t, lab.Config{Hosts: 2, Snooping: true, Forgets: 8 * time.Second})
	image := r.noise("image", 8<<20)
	waits := r.receive(1)
	r.forgotten(1)

	silent := r.send(image, "--querier", "off", "--max-wait", "5s")
	if code, v := silent.code(), r.last(silent); code != 1 || len(v.Receivers) != 0 {
		t.Fatalf("a sender that asks nobody: exit %d, receivers %v", code, v.Receivers)
	}
	asks := r.send(image, "--linger", "0s", "--max-wait", "1m")
	if code := asks.code(); code != 0 {
		t.Errorf("a sender that asks: exit %d\n%s", code, asks.stderr.String())
	}
	if code := waits.code(); code != 0 {
		t.Errorf("the machine that waited: exit %d\n%s", code, waits.stderr.String())
	}
	r.same(image, r.disk(1))
}

// forgotten waits until announcements reach host i, and then until they don't
// any more.
func (r *room) forgotten(i int) {
	r.Helper()
	// Loss next to none counts what comes.
	if err := r.lab.Host(i).SetLoss(lab.Loss{BurstEvery: 1_000_000, BurstLength: 1}); err != nil {
		r.Fatal(err)
	}
	var c *net.UDPConn
	to := netip.AddrPortFrom(protocol.Discovery.Addr(), protocol.Discovery.Port()-1) // where nobody listens
	if err := r.lab.Host(0).Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		return err
	}); err != nil {
		r.Fatal(err)
	}
	defer c.Close()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	before, came, missed := uint64(0), false, 0
	for missed < 3 {
		if _, err := c.Write([]byte("probe")); err != nil {
			r.Fatal(err)
		}
		select {
		case <-tick.C:
		case <-r.ctx.Done():
			r.Fatalf("probes reached the machine: %v; not forgotten", came)
		}
		count, err := r.lab.Host(i).LossCount()
		if err != nil {
			r.Fatal(err)
		}
		switch {
		case count.Seen > before:
			before, came, missed = count.Seen, true, 0
		case came:
			missed++
		}
	}
}
