package lab_test

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

const (
	datagram = 1000 // bytes of payload
	perSend  = 45   // datagrams in one segmentation-offload send
	last     = math.MaxUint32
	// endMarks are heard before a stream has ended: the first may overtake data
	// that waits on another CPU.
	endMarks = 10
)

// stream sends n numbered datagrams, by segmentation offload, and an end mark
// again and again until every receiver has said that it heard one.
func stream(t *testing.T, c *net.UDPConn, n int, heard *sync.WaitGroup) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	set := func(size int) {
		var serr error
		if err := raw.Control(func(fd uintptr) {
			serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
		}); err != nil || serr != nil {
			t.Fatal(err, serr)
		}
	}
	set(datagram)
	buf := make([]byte, perSend*datagram)
	for i := 0; i < n; i += perSend {
		m := min(perSend, n-i)
		for j := range m {
			binary.BigEndian.PutUint32(buf[j*datagram:], uint32(i+j))
		}
		if _, err := c.Write(buf[:m*datagram]); err != nil {
			t.Fatal(err)
		}
	}
	set(0)
	end := binary.BigEndian.AppendUint32(nil, last)
	done := make(chan struct{})
	go func() { heard.Wait(); close(done) }()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			c.Write(end)
		}
	}
}

// collect reads until the end marks and returns which of n datagrams came.
func collect(t *testing.T, c *net.UDPConn, n int) []bool {
	c.SetReadDeadline(time.Now().Add(30 * time.Second))
	came := make([]bool, n)
	buf := make([]byte, 65536)
	for marks := 0; ; {
		size, err := c.Read(buf)
		if err != nil {
			t.Errorf("waiting for the end of the stream: %v", err)
			return came
		}
		switch i := binary.BigEndian.Uint32(buf); {
		case i == last:
			if marks++; marks == endMarks {
				return came
			}
		case size == datagram && i < uint32(n):
			came[i] = true
		default:
			t.Errorf("datagram %d of %d bytes", i, size)
		}
	}
}

// run streams from host 0 to all other hosts and returns what came where.
func run(t *testing.T, l *lab.Lab, to netip.AddrPort, n int) [][]bool {
	t.Helper()
	receivers := l.Hosts()[1:]
	came := make([][]bool, len(receivers))
	var heard sync.WaitGroup
	for i, h := range receivers {
		c := listen(t, h, to)
		heard.Go(func() { came[i] = collect(t, c, n) })
	}
	stream(t, dial(t, l.Host(0), to), n, &heard)
	if d := l.BacklogDrops(); d > 0 {
		t.Logf("the machine itself dropped %d packets, busy with something else", d)
	}
	return came
}

// gaps returns the lengths of the runs of missing datagrams in order.
func gaps(came []bool) []int {
	var runs []int
	n := 0
	for _, c := range came {
		if !c {
			n++
		} else if n > 0 {
			runs = append(runs, n)
			n = 0
		}
	}
	if n > 0 {
		runs = append(runs, n)
	}
	return runs
}

func missing(came []bool) int {
	n := 0
	for _, c := range came {
		if !c {
			n++
		}
	}
	return n
}

// near fails the test if got is farther than five standard deviations from what
// n independent throws of probability p give: once in 1.7 million runs.
func near(t *testing.T, what string, got, n int, p float64) {
	t.Helper()
	mean, sigma := float64(n)*p, math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(got)-mean) > 5*sigma {
		t.Errorf("%s: %d of %d, want %.0f ± %.0f", what, got, n, mean, 5*sigma)
	}
}

func TestLossIsIndependentPerDatagramAndHost(t *testing.T) {
	const n, p = 40_000, 0.05
	l := labtest.New(t, lab.Config{Hosts: 4})
	for _, h := range l.Hosts()[2:] { // host 1 loses nothing
		if err := h.SetLoss(lab.Loss{Percent: p * 100}); err != nil {
			t.Fatal(err)
		}
	}
	came := run(t, l, group, n)
	if m := missing(came[0]); m != 0 {
		t.Errorf("the host without loss misses %d datagrams", m)
	}
	for i, c := range came[1:] {
		near(t, "lost", missing(c), n, p)
		// Independent neighbours: a lost datagram is followed by a lost one as
		// often as any. Losing whole offload packets would make it 98 %.
		pairs := 0
		for j := range n - 1 {
			if !c[j] && !c[j+1] {
				pairs++
			}
		}
		near(t, "lost together with the next", pairs, n, p*p)
		count, err := l.Host(i + 2).LossCount()
		if err != nil {
			t.Fatal(err)
		}
		if int(count.Dropped) < missing(c) || count.Seen < n {
			t.Errorf("host %d counts %+v, but %d of %d are missing", i+2, count, missing(c), n)
		}
	}
	both := 0
	for j := range n {
		if !came[1][j] && !came[2][j] {
			both++
		}
	}
	near(t, "lost by both hosts", both, n, p*p)
}

// A lab that cuts a send into 45 datagrams for each of 32 hosts hands a CPU more
// packets than its queue holds, unless the hosts' interfaces have queues of their own.
func TestLossyLabLosesNothingElse(t *testing.T) {
	const n = 10_000
	l := labtest.New(t, lab.Config{Hosts: 33})
	for _, h := range l.Hosts()[1:] {
		if err := h.SetLoss(lab.Loss{BurstEvery: 10 * n, BurstLength: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Host(0).SetRate(200); err != nil {
		t.Fatal(err)
	}
	for i, came := range run(t, l, group, n) {
		if m := missing(came); m != 0 {
			t.Errorf("host %d misses %d of %d datagrams, asked for none", i+1, m, n)
		}
	}
}

func TestBurstsAreOfExactLength(t *testing.T) {
	const n, every, length = 5000, 1000, 100
	l := labtest.New(t, lab.Config{Hosts: 2})
	if err := l.Host(1).SetLoss(lab.Loss{BurstEvery: every, BurstLength: length}); err != nil {
		t.Fatal(err)
	}
	came := run(t, l, group, n)[0]
	if got, want := gaps(came), []int{100, 100, 100, 100, 100}; !slices.Equal(got, want) {
		t.Errorf("runs of lost datagrams: %v, want %v", got, want)
	}
	if came[every-length] || !came[every-length-1] {
		t.Error("the first burst is not at the end of the first period")
	}
}

func TestUnicastIsLostOnlyWhenAskedFor(t *testing.T) {
	const n = 2000
	for _, all := range []bool{false, true} {
		l := labtest.New(t, lab.Config{Hosts: 2})
		if err := l.Host(1).SetLoss(lab.Loss{Percent: 20, AllUDP: all}); err != nil {
			t.Fatal(err)
		}
		acquaint(t, l.Host(0), l.Host(1))
		to := netip.AddrPortFrom(l.Host(1).Addr(), 7000)
		lost := missing(run(t, l, to, n)[0])
		if all {
			near(t, "unicast lost", lost, n, 0.2)
		} else if lost != 0 {
			t.Errorf("%d unicast datagrams lost, asked for multicast only", lost)
		}
	}
}

// acquaint tells from the hardware address of to. While ARP asks for it, the
// kernel drops most of what is sent, which is no loss of the lab's.
func acquaint(t *testing.T, from, to *lab.Host) {
	t.Helper()
	mac, err := to.Command(t.Context(), "cat", "/sys/class/net/"+lab.Interface+"/address").Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := from.Command(t.Context(), "ip", "neigh", "replace", to.Addr().String(),
		"lladdr", strings.TrimSpace(string(mac)), "dev", lab.Interface).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestLossEndsAndSendsBecomeWholeAgain(t *testing.T) {
	const n = 5000
	l := labtest.New(t, lab.Config{Hosts: 2})
	for _, loss := range []lab.Loss{{Percent: 50}, {Percent: 30, BurstEvery: 10, BurstLength: 2}, {}} {
		if err := l.Host(1).SetLoss(loss); err != nil {
			t.Fatal(err)
		}
	}
	if m := missing(run(t, l, group, n)[0]); m != 0 {
		t.Errorf("%d datagrams lost after the loss was taken away", m)
	}
	if count, err := l.Host(1).LossCount(); err != nil || count != (lab.LossCount{}) {
		t.Errorf("count %+v, %v with no loss set", count, err)
	}
	if whole := offload(t, l.Host(0)); !whole {
		t.Error("sends are still cut up although no host has a loss")
	}
	if err := l.Host(0).SetSegmentation(true); err != nil {
		t.Fatal(err)
	}
	if offload(t, l.Host(0)) || !offload(t, l.Host(1)) {
		t.Error("SetSegmentation(true) must cut up this host's sends and no other's")
	}
}

func TestWrongLossIsRefused(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 1})
	for _, loss := range []lab.Loss{{Percent: -1}, {Percent: 101}, {Percent: math.NaN()}, {BurstEvery: 10}, {BurstLength: 1}, {BurstEvery: 2, BurstLength: 3}} {
		if err := l.Host(0).SetLoss(loss); err == nil {
			t.Errorf("SetLoss(%+v) succeeded", loss)
		}
	}
}
