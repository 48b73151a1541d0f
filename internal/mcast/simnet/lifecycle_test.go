package simnet_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// The sender may reuse its buffers as soon as a write returns.
func TestBuffersMayBeReused(t *testing.T) {
	simulate(t, 1, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
		h := sim.Host("receiver")
		h.SetIn(simnet.Link{Delay: time.Second})
		c, r := open(t, sim.Host("sender")), listen(t, h)
		all := trains(2, 3)
		write(t, c, all)
		clear(all[0].Parts[2])
		one := []byte{0, 0, 0, 2}
		if err := c.WriteTo(one, group); err != nil {
			t.Fatal(err)
		}
		clear(one)
		b := mcast.NewBatch(2)
		if err := r.Read(b, time.Time{}); err != nil {
			t.Fatal(err)
		}
		i := 0
		for d := range b.Datagrams() {
			if got := binary.BigEndian.Uint32(d); got != uint32(i) {
				t.Errorf("datagram %d says %d", i, got)
			}
			i++
		}
	})
}

func TestPowerCut(t *testing.T) {
	simulate(t, 1, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
		h := sim.Host("machine")
		c, r := open(t, h), listen(t, h)
		before := c.LocalAddr()
		ended := make(chan error)
		go func() { ended <- r.Read(mcast.NewBatch(1), time.Time{}) }()
		synctest.Wait()
		h.PowerCut()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: error %v", err)
		}
		again := open(t, sim.Host("machine"))
		if after := again.LocalAddr(); after.Addr() != before.Addr() || after == before {
			t.Errorf("was %v, after the reboot %v; want another port of the same host", before, after)
		}
	})
}

// TestPowerCutIsSilent: whoever notices that one socket is closed can't tell by
// another.
func TestPowerCutIsSilent(t *testing.T) {
	for range 200 {
		simulate(t, 1, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
			h, to := sim.Host("machine"), open(t, sim.Host("other"))
			var readers sync.WaitGroup
			for range 8 {
				r, c := listen(t, h), open(t, h)
				readers.Go(func() {
					for r.Read(mcast.NewBatch(1), time.Now()) != net.ErrClosed {
					}
					if err := c.WriteTo([]byte("my network is gone"), to.LocalAddr()); !errors.Is(err, net.ErrClosed) {
						t.Errorf("written: error %v", err)
					}
				})
			}
			h.PowerCut()
			readers.Wait()
			if err := to.Read(mcast.NewBatch(1), time.Now().Add(time.Second)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("something came from a machine without power: %v", err)
			}
		})
	}
}

func TestThousandHosts(t *testing.T) {
	const hosts, n = 1200, 2000
	simulate(t, 1, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
		sender := sim.Host("sender")
		sender.SetOut(simnet.Link{Rate: 1e9})
		addrs := make(map[netip.Addr]bool)
		var readers sync.WaitGroup
		for i := range hosts {
			h := sim.Host(fmt.Sprint("h", i))
			addrs[h.Addr()] = true
			h.SetIn(simnet.Link{Rate: 1e9, Loss: 0.01, Delay: 100 * time.Microsecond})
			r := listen(t, h)
			readers.Go(func() {
				b, got := mcast.NewBatch(16), 0
				for r.Read(b, time.Now().Add(time.Second)) == nil {
					got += b.Len()
				}
				if got < n*97/100 || got >= n {
					t.Errorf("%s got %d of %d", h.Name(), got, n)
				}
			})
		}
		if len(addrs) != hosts || addrs[sender.Addr()] {
			t.Errorf("%d addresses for %d hosts", len(addrs), hosts)
		}
		c := open(t, sender)
		write(t, c, trains(n, 3))
		readers.Wait()
	})
}

// A net whose bubble ends must leave no goroutine behind; synctest panics else.
func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1, simnet.Options{})
		h := n.Host("a")
		h.SetIn(simnet.Link{Delay: time.Hour})
		r, c := listen(t, h), open(t, n.Host("b"))
		write(t, c, trains(1, 3))
		ended := make(chan error)
		go func() { ended <- r.Read(mcast.NewBatch(1), time.Time{}) }()
		n.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: error %v", err)
		}
		n.Close()
		if _, err := h.Open(0); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Open on a closed net: error %v", err)
		}
	})
}
