package mcast_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// The conformance suite: what sender and receiver rely on, on the real sockets
// and on their twin.

var (
	group      = netip.MustParseAddrPort("239.77.1.1:7700")
	otherGroup = netip.MustParseAddrPort("239.77.1.2:7700") // same port
	ssmGroup   = netip.MustParseAddrPort("232.77.1.1:7700")
	anySource  = netip.Addr{}
)

// world is three hosts on one network.
type world [3]mcast.Network

var conformance = []struct {
	name string
	run  func(t *testing.T, hosts world)
}{
	{"every listener hears the group, on the sender's machine too", everyListener},
	{"unicast reaches one socket and can be answered", unicast},
	{"a port of one's choice", chosenPort},
	{"other groups and other ports are not heard", otherGroups},
	{"after Close the others still hear", leave},
	{"a source-specific listener hears its source only", sourceSpecific},
	{"trains keep their order and lengths", trainsKeepOrder},
	{"datagrams of every size", everySize},
	{"wrong trains are refused", wrongTrains},
	{"larger than the MTU is refused", tooLarge},
	{"a passed deadline", deadlines},
	{"Close wakes a blocked Read", closeWakes},
	{"a closed socket", closed},
	{"overflow is counted at the socket", overflow},
}

func TestConformanceSimnet(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := simnet.New(1, simnet.Options{ReceiveBuffer: 2 << 20})
				defer n.Close()
				c.run(t, world{n.Host("a"), n.Host("b"), n.Host("c")})
			})
		})
	}
}

func TestConformanceLoopback(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			var hosts world
			for i := range hosts {
				hosts[i] = mcast.LoopbackHost(t, i, mcast.Options{})
			}
			c.run(t, hosts)
		})
	}
}

// TestConformanceGathering: a reader that looks into its socket hears what one
// that is woken hears.
func TestConformanceGathering(t *testing.T) {
	for _, c := range conformance {
		t.Run(c.name, func(t *testing.T) {
			var hosts world
			for i := range hosts {
				hosts[i] = gathering{mcast.LoopbackHost(t, i, mcast.Options{})}
			}
			c.run(t, hosts)
		})
	}
}

// gathering is a Network whose listeners let datagrams gather.
type gathering struct{ mcast.Network }

func (g gathering) Listen(group netip.AddrPort, source netip.Addr, _ time.Duration) (mcast.Reader, error) {
	return g.Network.Listen(group, source, time.Millisecond)
}

func TestConformanceNamespaces(t *testing.T) {
	for _, opts := range []mcast.Options{{}, {NoGSO: true}} {
		l := newLab(t, 3, opts)
		for _, c := range conformance {
			t.Run(c.name, func(t *testing.T) { c.run(t, world(l.networks)) })
		}
	}
}

func everyListener(t *testing.T, hosts world) {
	sender := open(t, hosts[0])
	var readers []mcast.Reader
	for _, h := range hosts {
		readers = append(readers, listen(t, h, group, anySource), listen(t, h, group, anySource))
	}
	send(t, sender, "hello", group)
	for _, r := range readers {
		hears(t, r, "hello", sender.LocalAddr())
	}
}

func unicast(t *testing.T, hosts world) {
	a, b, bystander := open(t, hosts[0]), open(t, hosts[1]), open(t, hosts[1])
	if a.LocalAddr().Addr() != hosts[0].Addr() || a.LocalAddr().Port() == 0 {
		t.Fatalf("local address %v, want one of %v", a.LocalAddr(), hosts[0].Addr())
	}
	send(t, a, "question", b.LocalAddr())
	hears(t, b, "question", a.LocalAddr())
	send(t, b, "answer", a.LocalAddr())
	hears(t, a, "answer", b.LocalAddr())
	train := mcast.Train{Size: 4, Parts: [][]byte{[]byte("ro"), []byte("w1"), []byte("row"), []byte("2")}}
	if err := a.WriteTrains(b.LocalAddr(), []mcast.Train{train}); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, b, 2); got[0].data != "row1" || got[1].data != "row2" {
		t.Errorf("train arrived as %v", got)
	}
	hearsNothing(t, bystander)
}

func otherGroups(t *testing.T, hosts world) {
	sender := open(t, hosts[0])
	r := listen(t, hosts[1], group, anySource)
	// With the other group joined on the same machine its datagrams do arrive:
	// they must not reach this socket.
	other := listen(t, hosts[1], otherGroup, anySource)
	otherPort := netip.AddrPortFrom(group.Addr(), group.Port()+1)
	send(t, sender, "other group", otherGroup)
	send(t, sender, "other port", otherPort)
	send(t, sender, "this one", group)
	hears(t, r, "this one", sender.LocalAddr())
	hears(t, other, "other group", sender.LocalAddr())
	hearsNothing(t, r)
}

func leave(t *testing.T, hosts world) {
	sender := open(t, hosts[0])
	leaver := listen(t, hosts[1], group, anySource)
	stayer := listen(t, hosts[1], group, anySource)
	elsewhere := listen(t, hosts[2], group, anySource)
	send(t, sender, "one", group)
	for _, r := range []mcast.Reader{leaver, stayer, elsewhere} {
		hears(t, r, "one", sender.LocalAddr())
	}
	if err := leaver.Close(); err != nil {
		t.Fatal(err)
	}
	send(t, sender, "two", group)
	hears(t, stayer, "two", sender.LocalAddr())
	hears(t, elsewhere, "two", sender.LocalAddr())
	// What the leaver missed does not come to a successor.
	hearsNothing(t, listen(t, hosts[1], group, anySource))
}

func sourceSpecific(t *testing.T, hosts world) {
	wanted, other := open(t, hosts[0]), open(t, hosts[1])
	specific := listen(t, hosts[2], ssmGroup, hosts[0].Addr())
	all := listen(t, hosts[2], ssmGroup, anySource)
	send(t, other, "forged", ssmGroup)
	send(t, wanted, "genuine", ssmGroup)
	hears(t, specific, "genuine", wanted.LocalAddr())
	hearsNothing(t, specific)
	if got := receive(t, all, 2); got[0].data != "forged" && got[1].data != "forged" {
		t.Errorf("a listener to any source heard %v", got)
	}
}

func trainsKeepOrder(t *testing.T, hosts world) {
	sender := open(t, hosts[0])
	readers := []mcast.Reader{listen(t, hosts[1], group, anySource), listen(t, hosts[2], group, anySource)}
	const size, short, trains = 1448, 77, 20
	limit := mcast.TrainLimit(size)
	// Two calls: the first with more trains than one system call takes.
	var call []mcast.Train
	for i := range trains {
		call = append(call, numbered(i*limit, limit, size, short))
	}
	if err := sender.WriteTrains(group, call); err != nil {
		t.Fatal(err)
	}
	if err := sender.WriteTrains(group, []mcast.Train{numbered(trains*limit, 1, size, size)}); err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		for i, d := range receive(t, r, trains*limit+1) {
			want := size
			if i%limit == limit-1 {
				want = short
			}
			if got := binary.BigEndian.Uint32([]byte(d.data)); int(got) != i || len(d.data) != want {
				t.Fatalf("datagram %d is number %d, %d bytes long, want %d", i, got, len(d.data), want)
			}
			if body := d.data[4:]; body != string(bytes.Repeat([]byte{byte(i)}, len(body))) {
				t.Fatalf("datagram %d was changed", i)
			}
			if d.from != sender.LocalAddr() {
				t.Fatalf("datagram %d comes from %v, want %v", i, d.from, sender.LocalAddr())
			}
		}
	}
}

func everySize(t *testing.T, hosts world) {
	sender, r := open(t, hosts[0]), listen(t, hosts[1], group, anySource)
	largest := min(hosts[0].MTU()-mcast.HeaderBytes, 1472)
	for size := 4; size <= largest; size++ {
		n := min(3, mcast.TrainLimit(size))
		short := 4 + size%max(1, size-4)
		if short > size {
			short = size
		}
		if err := sender.WriteTrains(group, []mcast.Train{numbered(0, n, size, short)}); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		for i, d := range receive(t, r, n) {
			want := size
			if i == n-1 {
				want = short
			}
			if len(d.data) != want || binary.BigEndian.Uint32([]byte(d.data)) != uint32(i) {
				t.Fatalf("size %d: datagram %d is %d bytes long, want %d", size, i, len(d.data), want)
			}
		}
	}
	send(t, sender, "", group)
	hears(t, r, "", sender.LocalAddr())
}

func wrongTrains(t *testing.T, hosts world) {
	sender, r := open(t, hosts[0]), listen(t, hosts[1], group, anySource)
	part := func(n int) []byte { return make([]byte, n) }
	wrong := map[string]mcast.Train{
		"empty":            {Size: 4},
		"half a datagram":  {Size: 4, Parts: [][]byte{part(4)}},
		"size 0":           {Parts: [][]byte{part(0), part(0)}},
		"too long":         {Size: 4, Parts: [][]byte{part(3), part(2)}},
		"short before end": {Size: 4, Parts: [][]byte{part(3), part(0), part(4), part(0)}},
		"too many":         {Size: 1, Parts: bytes.Split(make([]byte, 2*mcast.MaxTrain+1), []byte{0})},
	}
	good := mcast.Train{Size: 4, Parts: [][]byte{part(4), part(0)}}
	for name, train := range wrong {
		if err := sender.WriteTrains(group, []mcast.Train{good, train}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	hearsNothing(t, r)
}

func tooLarge(t *testing.T, hosts world) {
	if hosts[0].MTU() > mcast.MaxPayload {
		return // the loopback's MTU: every datagram fits
	}
	sender, r := open(t, hosts[0]), listen(t, hosts[1], group, anySource)
	fits := hosts[0].MTU() - mcast.HeaderBytes
	if err := sender.WriteTo(make([]byte, fits+1), group); !errors.Is(err, mcast.ErrTooLarge) {
		t.Errorf("WriteTo: error %v, want %v", err, mcast.ErrTooLarge)
	}
	trains := []mcast.Train{numbered(0, 2, fits+1, fits+1)}
	if err := sender.WriteTrains(group, trains); !errors.Is(err, mcast.ErrTooLarge) {
		t.Errorf("WriteTrains: error %v, want %v", err, mcast.ErrTooLarge)
	}
	hearsNothing(t, r)
	if err := sender.WriteTrains(group, []mcast.Train{numbered(0, 2, fits, fits)}); err != nil {
		t.Error(err)
	}
	receive(t, r, 2)
}

func deadlines(t *testing.T, hosts world) {
	sender, r := open(t, hosts[0]), listen(t, hosts[1], group, anySource)
	b := mcast.NewBatch(1)
	start := time.Now()
	if err := r.Read(b, start.Add(silence)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("error %v, want %v", err, os.ErrDeadlineExceeded)
	}
	if took := time.Since(start); took < silence {
		t.Errorf("waited %v, want %v", took, silence)
	}
	if err := r.Read(b, start); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline in the past: error %v", err)
	}
	send(t, sender, "still alive", group)
	if err := r.Read(b, start); !errors.Is(err, os.ErrDeadlineExceeded) || b.Len() != 0 {
		t.Errorf("deadline in the past with a datagram waiting: error %v", err)
	}
	if err := r.Read(b, time.Time{}); err != nil || b.Len() != 1 {
		t.Errorf("no deadline: %d datagrams, error %v", b.Len(), err)
	}
}

func closeWakes(t *testing.T, hosts world) {
	for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour)} {
		for _, r := range []mcast.Reader{listen(t, hosts[0], group, anySource), open(t, hosts[0])} {
			woken := make(chan error, 1)
			go func() { woken <- r.Read(mcast.NewBatch(1), deadline) }()
			r.Close()
			select {
			case err := <-woken:
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("error %v, want %v", err, net.ErrClosed)
				}
			case <-time.After(arrives):
				t.Error("Read still blocked")
			}
		}
	}
}

func closed(t *testing.T, hosts world) {
	c, r := open(t, hosts[0]), listen(t, hosts[0], group, anySource)
	c.Close()
	r.Close()
	b := mcast.NewBatch(1)
	if err := r.Read(b, time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read: error %v", err)
	}
	if err := r.Read(b, time.Now().Add(arrives)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read with a deadline: error %v", err)
	}
	if err := c.WriteTo([]byte("x"), group); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTo: error %v", err)
	}
	if err := c.WriteTrains(group, []mcast.Train{numbered(0, 2, 10, 10)}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("WriteTrains: error %v", err)
	}
	if r.Overflow() != 0 || r.BufferSize() == 0 {
		t.Errorf("overflow %d, buffer %d", r.Overflow(), r.BufferSize())
	}
}

func overflow(t *testing.T, hosts world) {
	sender, r := open(t, hosts[0]), listen(t, hosts[1], group, anySource)
	const size = 1400
	limit := mcast.TrainLimit(size)
	// Twice the buffer, so that at least the surplus has no room.
	calls := 2*r.BufferSize()/(limit*size) + 1
	for range calls {
		if err := sender.WriteTrains(group, []mcast.Train{numbered(0, limit, size, size)}); err != nil {
			t.Fatal(err)
		}
	}
	if r.Overflow() == 0 {
		t.Fatal("no overflow counted")
	}
	b, got := mcast.NewBatch(16), 0
	for r.Read(b, time.Now().Add(silence)) == nil {
		got += b.Len()
	}
	sent, lost := calls*limit, int(r.Overflow())
	if got == 0 || lost == 0 || abs(sent-got-lost) > (sent-got)/10 {
		t.Errorf("sent %d, read %d, overflow %d; want what was not read", sent, got, lost)
	}
	send(t, sender, "room again", group)
	hears(t, r, "room again", sender.LocalAddr())
}

func abs(n int) int { return max(n, -n) }
