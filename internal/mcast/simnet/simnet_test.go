package simnet_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
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

var group = netip.MustParseAddrPort("239.77.1.1:7700")

const size = 100

// trains returns n numbered datagrams of size bytes, of the given type.
func trains(n int, kind byte) []mcast.Train {
	var all []mcast.Train
	for first := 0; first < n; {
		train := mcast.Train{Size: size}
		for range min(mcast.TrainLimit(size), n-first) {
			header := make([]byte, 12)
			binary.BigEndian.PutUint32(header, uint32(first))
			header[11] = kind
			train.Parts = append(train.Parts, header, make([]byte, size-12))
			first++
		}
		all = append(all, train)
	}
	return all
}

// simulate runs f in a bubble with a net of the seed.
func simulate(t *testing.T, seed uint64, opts simnet.Options, f func(t *testing.T, n *simnet.Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Logf("seed %d", seed)
		n := simnet.New(seed, opts)
		defer n.Close()
		f(t, n)
	})
}

func listen(t *testing.T, h *simnet.Host) mcast.Reader {
	t.Helper()
	r, err := h.Listen(group, netip.Addr{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func open(t *testing.T, h *simnet.Host) mcast.Conn {
	t.Helper()
	c, err := h.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t *testing.T, c mcast.Conn, all []mcast.Train) {
	t.Helper()
	if err := c.WriteTrains(group, all); err != nil {
		t.Fatal(err)
	}
}

// numbers reads what there is until nothing comes for a second.
func numbers(t *testing.T, r mcast.Reader) []int {
	t.Helper()
	var got []int
	b := mcast.NewBatch(4)
	for {
		err := r.Read(b, time.Now().Add(time.Second))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		for d := range b.Datagrams() {
			got = append(got, int(binary.BigEndian.Uint32(d)))
		}
	}
}

// missing returns the lengths of the gaps in 0 to n-1.
func missing(got []int, n int) (gaps []int, sum int) {
	next := 0
	for _, g := range append(got, n) {
		if g > next {
			gaps = append(gaps, g-next)
			sum += g - next
		}
		next = g + 1
	}
	return gaps, sum
}

func TestLossRate(t *testing.T) {
	const n = 20_000
	for _, p := range []float64{0, 0.01, 0.1, 0.5, 1} {
		simulate(t, 7, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
			c, h := open(t, sim.Host("sender")), sim.Host("receiver")
			h.SetIn(simnet.Link{Loss: p})
			r := listen(t, h)
			write(t, c, trains(n, 3))
			_, lost := missing(numbers(t, r), n)
			if dev := 4 * math.Sqrt(n*p*(1-p)); math.Abs(float64(lost)-n*p) > dev {
				t.Errorf("loss %v: lost %d of %d, want within %.0f of %.0f", p, lost, n, dev, n*p)
			}
			counted := h.Counters()
			if got := counted.LostIn[3]; got.Datagrams != uint64(lost) || got.Bytes != uint64(lost*size) {
				t.Errorf("counted %+v lost, want %d", got, lost)
			}
			if got := counted.Received[3].Datagrams; got != uint64(n-lost) {
				t.Errorf("counted %d received, want %d", got, n-lost)
			}
			if got := sim.Host("sender").Counters().Sent.Total(); got.Datagrams != n || got.Bytes != n*size {
				t.Errorf("counted %+v sent, want %d", got, n)
			}
		})
	}
}

func TestBursts(t *testing.T) {
	const n, length, share = 200_000, 100, 0.05
	for _, periodic := range []bool{true, false} {
		simulate(t, 7, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
			c, h := open(t, sim.Host("sender")), sim.Host("receiver")
			h.SetIn(simnet.Link{Burst: simnet.Burst{Length: length, Loss: share, Periodic: periodic}})
			r := listen(t, h)
			write(t, c, trains(n, 3))
			gaps, lost := missing(numbers(t, r), n)
			for i, gap := range gaps {
				if gap%length != 0 && i < len(gaps)-1 || periodic && gap != length {
					t.Errorf("periodic %v: %d datagrams lost in a row, want %d", periodic, gap, length)
				}
			}
			want, within := n*share, 0.0
			if !periodic {
				within = 4 * length * math.Sqrt(n*share/length)
			}
			if math.Abs(float64(lost)-want) > within {
				t.Errorf("periodic %v: lost %d of %d, want within %.0f of %.0f", periodic, lost, n, within, want)
			}
		})
	}
}

// What one host loses depends on the seed and on nothing that others do.
func TestLossIsTheLinksOwn(t *testing.T) {
	run := func(seed uint64, others int) (got []int) {
		simulate(t, seed, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
			c := open(t, sim.Host("sender"))
			lossy := simnet.Link{Loss: 0.2, Burst: simnet.Burst{Length: 5, Loss: 0.1}, Duplicate: 0.01}
			for i := range others {
				h := sim.Host(fmt.Sprint("other", i))
				h.SetIn(lossy)
				listen(t, h)
			}
			h := sim.Host("receiver")
			h.SetIn(lossy)
			r := listen(t, h)
			write(t, c, trains(2000, 3))
			got = numbers(t, r)
		})
		return got
	}
	alone, crowded, other := run(1, 0), run(1, 5), run(2, 0)
	if fmt.Sprint(alone) != fmt.Sprint(crowded) {
		t.Error("other hosts changed what this one lost")
	}
	if fmt.Sprint(alone) == fmt.Sprint(other) {
		t.Error("the seed changed nothing")
	}
}

func TestDuplicateCorruptReorder(t *testing.T) {
	const n = 5000
	simulate(t, 3, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
		c := open(t, sim.Host("sender"))
		twice, late, bad, clean := sim.Host("twice"), sim.Host("late"), sim.Host("bad"), sim.Host("clean")
		twice.SetIn(simnet.Link{Duplicate: 0.1})
		late.SetIn(simnet.Link{Reorder: 0.1, Rate: 100e6, Queue: 1 << 20})
		bad.SetIn(simnet.Link{Corrupt: 0.1})
		toTwice, toLate, toBad, toClean := listen(t, twice), listen(t, late), listen(t, bad), listen(t, clean)
		write(t, c, trains(n, 3))

		if got := numbers(t, toTwice); len(got) < n+n/20 || len(got) > n+n/5 {
			t.Errorf("got %d datagrams of %d sent, a tenth of them twice", len(got), n)
		}
		got := numbers(t, toLate)
		if len(got) != n {
			t.Errorf("reordering lost datagrams: %d of %d", len(got), n)
		}
		overtaken := 0
		for i := range got[1:] {
			if got[i+1] < got[i] {
				overtaken++
			}
		}
		if overtaken < n/20 || overtaken > n/5 {
			t.Errorf("%d of %d came after a later one, want a tenth", overtaken, n)
		}
		corrupted := differing(t, toBad, n)
		if corrupted < n/20 || corrupted > n/5 {
			t.Errorf("%d of %d corrupted, want a tenth", corrupted, n)
		}
		if dirty := differing(t, toClean, n); dirty != 0 {
			t.Errorf("%d datagrams corrupted at a host with a clean link", dirty)
		}
	})
}

// differing counts the datagrams that are not as they were sent.
func differing(t *testing.T, r mcast.Reader, n int) (count int) {
	t.Helper()
	b, i := mcast.NewBatch(8), 0
	want := make([]byte, size)
	want[11] = 3
	for i < n {
		if err := r.Read(b, time.Now().Add(time.Second)); err != nil {
			t.Fatalf("after %d of %d: %v", i, n, err)
		}
		for d := range b.Datagrams() {
			binary.BigEndian.PutUint32(want, uint32(i))
			flipped := 0
			for j := range d {
				flipped += bits.OnesCount8(d[j] ^ want[j])
			}
			if flipped > 8 {
				t.Fatalf("%d bits flipped in one datagram", flipped)
			}
			if flipped > 0 {
				count++
			}
			i++
		}
	}
	return count
}

func TestDelay(t *testing.T) {
	simulate(t, 1, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
		a, b := sim.Host("a"), sim.Host("b")
		a.SetOut(simnet.Link{Delay: 3 * time.Millisecond})
		b.SetIn(simnet.Link{Delay: 4 * time.Millisecond})
		c, r := open(t, a), listen(t, b)
		start := time.Now()
		write(t, c, trains(1, 3))
		if err := r.Read(mcast.NewBatch(1), time.Time{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 7*time.Millisecond {
			t.Errorf("took %v, want 7ms", took)
		}
	})
}

// A sender's own link blocks it; a slow port of the switch drops.
func TestRates(t *testing.T) {
	const n = 100_000 // 10 MB: 0.8 s at 100 Mbit/s
	simulate(t, 1, simnet.Options{SendBuffer: 100_000}, func(t *testing.T, sim *simnet.Net) {
		sender, full, half := sim.Host("sender"), sim.Host("full"), sim.Host("half")
		sender.SetOut(simnet.Link{Rate: 100e6})
		half.SetIn(simnet.Link{Rate: 50e6, Queue: 100_000})
		c, toFull, toHalf := open(t, sender), listen(t, full), listen(t, half)
		if sender.LinkRate() != 100e6 {
			t.Errorf("link rate %d", sender.LinkRate())
		}
		start := time.Now()
		write(t, c, trains(n, 3))
		blocked := time.Since(start)
		if want := 792 * time.Millisecond; blocked < want || blocked > want+time.Millisecond {
			t.Errorf("the write took %v, want the time of all but the send buffer, %v", blocked, want)
		}
		if got := numbers(t, toFull); len(got) != n {
			t.Errorf("a host with a fast link got %d of %d", len(got), n)
		}
		if got := len(numbers(t, toHalf)); got < n/2 || got > n/2+2000 {
			t.Errorf("a host with half the rate got %d of %d", got, n)
		}
	})
}

func TestRateChangesWhileBlocked(t *testing.T) {
	simulate(t, 1, simnet.Options{SendBuffer: 10_000}, func(t *testing.T, sim *simnet.Net) {
		h := sim.Host("sender")
		h.SetOut(simnet.Link{Rate: 8}) // a byte a second
		c, r := open(t, h), listen(t, sim.Host("receiver"))
		ended := make(chan error)
		go func() { ended <- c.WriteTrains(group, trains(10_000, 3)) }()
		synctest.Wait()
		start := time.Now()
		h.SetOut(simnet.Link{Rate: 8e6})
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 1010*time.Millisecond {
			t.Errorf("took %v, want a second", took)
		}
		h.SetOut(simnet.Link{})
		_ = r
	})
}

func TestCloseWakesBlockedWrites(t *testing.T) {
	simulate(t, 1, simnet.Options{SendBuffer: 1000}, func(t *testing.T, sim *simnet.Net) {
		h := sim.Host("sender")
		h.SetOut(simnet.Link{Rate: 8})
		c := open(t, h)
		var writers sync.WaitGroup
		for range 3 {
			writers.Go(func() {
				if err := c.WriteTrains(group, trains(100, 3)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("error %v, want %v", err, net.ErrClosed)
				}
			})
		}
		synctest.Wait()
		c.Close()
		writers.Wait()
	})
}

func TestCableCutAndDirectedLoss(t *testing.T) {
	simulate(t, 1, simnet.Options{}, func(t *testing.T, sim *simnet.Net) {
		sender, h := sim.Host("sender"), sim.Host("receiver")
		c, r := open(t, sender), listen(t, h)
		h.SetIn(simnet.Link{Down: true})
		write(t, c, trains(10, 3))
		h.SetIn(simnet.Link{Keep: func(p simnet.Packet) bool {
			return p.From == c.LocalAddr() && p.To == group && binary.BigEndian.Uint32(p.Data)%3 == 0
		}})
		write(t, c, trains(10, 4))
		if got := fmt.Sprint(numbers(t, r)); got != "[0 3 6 9]" {
			t.Errorf("got %s, want every third", got)
		}
		counted := h.Counters()
		if counted.LostIn[3].Datagrams != 10 || counted.LostIn[4].Datagrams != 6 || counted.Received[4].Datagrams != 4 {
			t.Errorf("lost %d and %d, received %d; want 10, 6, 4",
				counted.LostIn[3].Datagrams, counted.LostIn[4].Datagrams, counted.Received[4].Datagrams)
		}
		sender.SetOut(simnet.Link{Down: true})
		write(t, c, trains(10, 5))
		if got := sender.Counters().LostOut[5].Datagrams; got != 10 {
			t.Errorf("lost %d on a cut cable, want 10", got)
		}
	})
}
