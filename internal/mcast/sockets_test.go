package mcast_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

func TestNoAllocations(t *testing.T) {
	sender := open(t, mcast.LoopbackHost(t, 0, mcast.Options{}))
	r := listen(t, mcast.LoopbackHost(t, 1, mcast.Options{}), group, anySource)
	const size = 1448
	limit := mcast.TrainLimit(size)
	trains := []mcast.Train{numbered(0, limit, size, 100), numbered(limit, limit, size, 100)}
	b := mcast.NewBatch(4)
	bytes, datagrams, strangers := 0, 0, 0
	deadline := time.Now().Add(time.Minute)
	allocs := testing.AllocsPerRun(200, func() {
		if err := sender.WriteTrains(group, trains); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 2*limit; got += b.Len() {
			if err := r.Read(b, deadline); err != nil {
				t.Fatal(err)
			}
			for d, from := range b.Datagrams() {
				bytes += len(d)
				datagrams++
				if from.Addr() != sender.LocalAddr().Addr() {
					strangers++
				}
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations for %d datagrams there and back, want 0", allocs, 2*limit)
	}
	if want := 201 * 2 * ((limit-1)*size + 100); bytes != want || strangers != 0 {
		t.Errorf("read %d bytes in %d datagrams, %d from strangers; want %d", bytes, datagrams, strangers, want)
	}
}

func TestNoAllocationsPerDatagram(t *testing.T) {
	sender := open(t, mcast.LoopbackHost(t, 0, mcast.Options{NoGSO: true}))
	to := open(t, mcast.LoopbackHost(t, 1, mcast.Options{}))
	trains := []mcast.Train{numbered(0, 40, 1000, 1000)}
	b := mcast.NewBatch(64)
	local := to.LocalAddr()
	one := make([]byte, 1000)
	allocs := testing.AllocsPerRun(200, func() {
		if err := sender.WriteTrains(local, trains); err != nil {
			t.Fatal(err)
		}
		if err := sender.WriteTo(one, local); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < 41; got += b.Len() {
			if err := to.Read(b, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}

// A device that cannot segment must not lose or repeat a datagram, neither in
// the call that finds out nor later.
func TestFallsBackWithoutGSO(t *testing.T) {
	c := open(t, mcast.LoopbackHost(t, 0, mcast.Options{}))
	r := listen(t, mcast.LoopbackHost(t, 1, mcast.Options{}), group, anySource)
	if err := c.WriteTrains(group, []mcast.Train{numbered(0, 3, 1000, 500)}); err != nil {
		t.Fatal(err)
	}
	if !mcast.UsesGSO(c) {
		t.Fatal("the loopback of this kernel cannot segment")
	}
	receive(t, r, 3)
	mcast.RefuseGSO(t, c)
	for range 2 {
		// A single datagram goes first: it needs no segmenting and succeeds, so
		// that the refusal comes in the middle of the call.
		trains := []mcast.Train{numbered(0, 1, 1000, 1000), numbered(1, 60, 1000, 7), numbered(61, 60, 1000, 1000), numbered(121, 60, 1000, 9)}
		if err := c.WriteTrains(group, trains); err != nil {
			t.Fatal(err)
		}
		for i, d := range receive(t, r, 181) {
			if got := int(d.data[3]); got != i {
				t.Fatalf("datagram %d arrived in place of %d", got, i)
			}
		}
		if mcast.UsesGSO(c) {
			t.Error("still tries to segment")
		}
	}
}

// An error that has nothing to do with segmenting does not switch it off.
func TestKeepsGSOAfterOtherErrors(t *testing.T) {
	l := newLab(t, 2, mcast.Options{})
	c, r := open(t, l.networks[0]), listen(t, l.networks[1], group, anySource)
	trains := []mcast.Train{numbered(0, 40, 1400, 1400)}
	l.run(l.machines[0], "ip link set eth0 mtu 1000")
	if err := c.WriteTrains(group, trains); !errors.Is(err, mcast.ErrTooLarge) {
		t.Errorf("mtu lowered after the socket was opened: error %v, want %v", err, mcast.ErrTooLarge)
	}
	if err := c.WriteTo(make([]byte, 1400), group); !errors.Is(err, mcast.ErrTooLarge) {
		t.Errorf("mtu lowered after the socket was opened: error %v, want %v", err, mcast.ErrTooLarge)
	}
	if !mcast.UsesGSO(c) {
		t.Error("gave up segmenting")
	}
	l.run(l.machines[0], "ip link set eth0 mtu 1500")
	if err := c.WriteTrains(group, trains); err != nil {
		t.Fatal(err)
	}
	receive(t, r, 40)
}

// The network card does not compute checksums, so the kernel has to segment by
// itself or refuse.
func TestWithoutChecksumOffload(t *testing.T) {
	l := newLab(t, 2, mcast.Options{})
	l.run(l.machines[0], "ethtool -K eth0 tx off")
	c, r := open(t, l.networks[0]), listen(t, l.networks[1], group, anySource)
	for range 2 {
		if err := c.WriteTrains(group, []mcast.Train{numbered(0, 40, 1400, 1400)}); err != nil {
			t.Fatal(err)
		}
		receive(t, r, 40)
	}
	t.Logf("segments without checksum offload: %v", mcast.UsesGSO(c))
}

func TestDropsTruncated(t *testing.T) {
	c := open(t, mcast.LoopbackHost(t, 0, mcast.Options{}))
	r := listen(t, mcast.LoopbackHost(t, 1, mcast.Options{}), group, anySource)
	send(t, c, strings.Repeat("x", 3000), group)
	if err := c.WriteTrains(group, []mcast.Train{numbered(0, 5, 1000, 1000)}); err != nil {
		t.Fatal(err)
	}
	send(t, c, "fits", group)
	b := mcast.NewSmallBatch(1, 2000) // one message: the truncated ones leave it empty
	if err := r.Read(b, time.Now().Add(arrives)); err != nil {
		t.Fatal(err)
	}
	for d := range b.Datagrams() {
		if string(d) != "fits" {
			t.Errorf("got %d bytes of a truncated datagram", len(d))
		}
	}
	if got := r.Overflow(); got != 6 {
		t.Errorf("%d datagrams counted as dropped, want 6", got)
	}
}

func TestReceiveBuffer(t *testing.T) {
	r := listen(t, mcast.LoopbackHost(t, 0, mcast.Options{}), group, anySource)
	if os.Geteuid() != 0 {
		t.Skip("the full receive buffer needs root")
	}
	if got := r.BufferSize(); got != 32<<20 {
		t.Errorf("receive buffer %d, want 32 MiB", got)
	}
}

func TestTTL(t *testing.T) {
	for asked, want := range map[int]int{0: 1, 7: 7} {
		c := open(t, mcast.LoopbackHost(t, 0, mcast.Options{TTL: asked}))
		if got := mcast.MulticastTTL(t, c); got != want {
			t.Errorf("ttl %d asked for, got %d, want %d", asked, got, want)
		}
	}
}

// Two interfaces of one machine, the same group on both: each listener hears
// its own.
func TestHearsItsInterfaceOnly(t *testing.T) {
	l := newLab(t, 2, mcast.Options{})
	lo := l.network(l.machines[1], "lo", mcast.Options{})
	wired, looped := listen(t, l.networks[1], group, anySource), listen(t, lo, group, anySource)
	far, near := open(t, l.networks[0]), open(t, lo)
	send(t, far, "by wire", group)
	hears(t, wired, "by wire", far.LocalAddr())
	send(t, near, "by loopback", group)
	hears(t, looped, "by loopback", near.LocalAddr())
	hearsNothing(t, wired)
}

func TestCloseLeavesTheGroup(t *testing.T) {
	l := newLab(t, 1, mcast.Options{})
	joined := func() bool {
		var table []byte
		err := in(t, l.machines[0], func() (err error) {
			table, err = os.ReadFile("/proc/thread-self/net/igmp")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(table), "01014DEF") // 239.77.1.1, as the kernel prints it
	}
	r := listen(t, l.networks[0], group, anySource)
	blocked := make(chan error, 1)
	go func() { blocked <- r.Read(mcast.NewBatch(1), time.Time{}) }()
	if !joined() {
		t.Fatal("Listen did not join")
	}
	r.Close()
	<-blocked
	if joined() {
		t.Error("still a member after Close")
	}
}

// The paced tests send through a link of 200 Mbit/s.
func slowLab(t testing.TB, opts mcast.Options) *lab {
	l := newLab(t, 2, opts)
	l.run(l.machines[0], "tc qdisc replace dev eth0 root tbf rate 200mbit burst 64kb limit 4mb")
	return l
}

// A write blocks while the link is busy: nothing is dropped on the way out,
// however much is written. (An idle machine fills the wire to some 185 Mbit/s; a
// busy one does not, so that is not asserted.)
func TestFullSendBufferPaces(t *testing.T) {
	for name, opts := range map[string]mcast.Options{"GSO": {}, "one by one": {NoGSO: true}} {
		t.Run(name, func(t *testing.T) {
			l := slowLab(t, opts)
			c, r := open(t, l.networks[0]), listen(t, l.networks[1], group, anySource)
			const size, calls = 1448, 150 // 9.8 MB, twice the queue of the link
			train := []mcast.Train{numbered(0, mcast.TrainLimit(size), size, size)}
			start := time.Now()
			for range calls {
				if err := c.WriteTrains(group, train); err != nil {
					t.Fatal(err)
				}
			}
			receive(t, r, calls*train[0].Len())
			wire := float64(calls*train[0].Len()*(size+mcast.HeaderBytes+14)*8) / time.Since(start).Seconds() / 1e6
			t.Logf("%.0f Mbit/s on the wire", wire)
			if wire > 220 {
				t.Errorf("%.0f Mbit/s on the wire, want at most 200", wire)
			}
		})
	}
}

func TestCloseWakesBlockedWrite(t *testing.T) {
	l := slowLab(t, mcast.Options{})
	c := open(t, l.networks[0])
	train := []mcast.Train{numbered(0, 45, 1448, 1448)}
	const writers = 2
	ended := make(chan error, writers)
	progress := make(chan struct{}, 10_000)
	for range writers {
		go func() {
			for {
				if err := c.WriteTrains(group, train); err != nil {
					ended <- err
					return
				}
				progress <- struct{}{}
			}
		}()
	}
	for range 60 { // more than the send buffer holds
		<-progress
	}
	c.Close()
	for range writers {
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("error %v, want %v", err, net.ErrClosed)
			}
		case <-time.After(arrives):
			t.Fatal("a write is still blocked")
		}
	}
}
