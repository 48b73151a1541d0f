package querier

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
	"golang.org/x/sys/unix"
)

// arrives is longer than anything here takes that happens at all.
const arrives = 30 * time.Second

// quick makes a querier's times short enough for a test.
var quick = Timing{Robustness: 2, Interval: time.Second, Response: 200 * time.Millisecond}

// start runs a querier in a host until stop is called, at the latest until the
// test ends.
func start(t *testing.T, h *lab.Host, mode Mode) (notices <-chan Notice, stop func()) {
	t.Helper()
	all := make(chan Notice, 100)
	cfg := Config{Interface: lab.Interface, Addr: h.Addr(), Mode: mode, Timing: quick, Notice: func(n Notice) { all <- n }}
	var q *Querier
	if err := h.Do(func() (err error) { q, err = Open(cfg); return err }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil
	}
	t.Cleanup(stop)
	return all, stop
}

func next(t *testing.T, notices <-chan Notice) Notice {
	t.Helper()
	select {
	case n := <-notices:
		return n
	case <-time.After(arrives):
		t.Fatal("no notice")
		panic("unreachable")
	}
}

// join makes a host a member of a group and returns what hears it.
func join(t *testing.T, h *lab.Host, group string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := h.Do(func() error {
		i, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		c, err = net.ListenMulticastUDP("udp4", i, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(group)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// packet is an IGMP packet on the wire.
type packet struct {
	header  []byte
	src     netip.Addr
	dst     netip.Addr
	message []byte
}

// capture returns the IGMP packets that a host receives and sends.
func capture(t *testing.T, h *lab.Host) <-chan packet {
	t.Helper()
	fd := -1
	err := h.Do(func() (err error) {
		const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		i, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "packets")
	t.Cleanup(func() { f.Close() })
	packets := make(chan packet, 1000)
	go func() {
		for b := make([]byte, 2000); ; {
			n, err := f.Read(b)
			if err != nil {
				return
			}
			if p := b[:n]; n >= 24 && p[0]>>4 == 4 && p[9] == unix.IPPROTO_IGMP {
				p = append([]byte(nil), p...)
				packets <- packet{p[:p[0]&15*4], netip.AddrFrom4([4]byte(p[12:])), netip.AddrFrom4([4]byte(p[16:])), p[p[0]&15*4 : binary.BigEndian.Uint16(p[2:])]}
			}
		}
	}()
	return packets
}

// await returns the first packet that is as wanted.
func await(t *testing.T, packets <-chan packet, what string, wanted func(packet) bool) packet {
	t.Helper()
	for end := time.After(arrives); ; {
		select {
		case p := <-packets:
			if wanted(p) {
				return p
			}
		case <-end:
			t.Fatalf("not on the wire: %s", what)
		}
	}
}

// answers tells whether p is a report that answers a query: "mode is exclude"
// nothing, for a group (RFC 3376 §4.2.12). A host that has just joined says
// "change to".
func answers(p packet, from netip.Addr, group string) bool {
	const report, modeIsExclude = 0x22, 2
	if p.src != from || p.dst != netip.MustParseAddr("224.0.0.22") || p.message[0] != report {
		return false
	}
	for records := p.message[8:]; len(records) >= 8; records = records[8:] {
		if records[0] == modeIsExclude && netip.AddrFrom4([4]byte(records[4:8])) == netip.MustParseAddr(group) {
			return true
		}
	}
	return false
}

// What RFC 3376 §4 asks of a query's packet, and that hosts answer it: another
// one and the querier's own.
func TestQueryAndReportsOnTheWire(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 2})
	asks, answerer := l.Host(0), l.Host(1)
	join(t, asks, "239.255.80.87:26969")
	join(t, answerer, "239.255.80.88:26969")
	packets := capture(t, answerer)
	notices, _ := start(t, asks, On)
	if n := next(t, notices); n != (Notice{Role: Asking}) {
		t.Errorf("the first notice is %+v", n)
	}
	p := await(t, packets, "a query", func(p packet) bool { return p.message[0] == typeQuery })
	if p.src != asks.Addr() || p.dst != allHosts {
		t.Errorf("a query goes from %v to %v", p.src, p.dst)
	}
	if ttl, tos, options := p.header[8], p.header[1], string(p.header[20:]); ttl != 1 || tos != internetworkControl || options != routerAlert {
		t.Errorf("a query has TTL %d, type of service %#x, options %x", ttl, tos, options)
	}
	if q, err := ParseQuery(p.message); err != nil || q != (Query{3, netip.IPv4Unspecified(), quick.Response, quick.Robustness, quick.Interval}) {
		t.Errorf("a query reads %+v (%v)", q, err)
	}
	await(t, packets, "a host's answer", func(p packet) bool { return answers(p, answerer.Addr(), "239.255.80.88") })
	await(t, packets, "the querier's own machine's answer", func(p packet) bool { return answers(p, asks.Addr(), "239.255.80.87") })
}

// The lower address asks; when it is gone the other one does. Auto leaves it to
// whoever asks.
func TestElectionOnTheWire(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 3})
	upper, _ := start(t, l.Host(2), On)
	if n := next(t, upper); n.Role != Asking {
		t.Fatalf("alone: %+v", n)
	}
	auto, _ := start(t, l.Host(0), Auto)
	if n := next(t, auto); n != (Notice{Role: Silent, Other: l.Host(2).Addr()}) {
		t.Errorf("auto beside a querier: %+v", n)
	}
	lower, stop := start(t, l.Host(1), On)
	if n := next(t, lower); n.Role != Asking {
		t.Errorf("the lower address: %+v", n)
	}
	if n := next(t, upper); n != (Notice{Role: Silent, Other: l.Host(1).Addr()}) {
		t.Errorf("the upper address beside the lower one: %+v", n)
	}
	stop()
	select {
	case n := <-upper:
		if n.Role != Asking {
			t.Errorf("the upper address when the lower one was gone: %+v", n)
		}
	case n := <-auto: // it waits as long as the other
		if n.Role != Asking {
			t.Errorf("auto when the lower one was gone: %+v", n)
		}
	case <-time.After(arrives):
		t.Error("nobody asks")
	}
}

// A switch that filters multicast, with nobody who asks, forgets a member: the
// data stops. With ours it comes back and goes on.
func TestSwitchRemembersWhoIsAskedFor(t *testing.T) {
	const forgets, patience = 4 * time.Second, time.Second
	l := labtest.New(t, lab.Config{Hosts: 2, Snooping: true, Forgets: forgets})
	const group = "239.77.1.1:7000"
	member := join(t, l.Host(1), group)
	var c *net.UDPConn
	if err := l.Host(0).Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(group)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := uint64(0)
	// hears sends a datagram and tells whether it arrives within a time.
	hears := func(within time.Duration) bool {
		sent++
		if _, err := c.Write(binary.BigEndian.AppendUint64(nil, sent)); err != nil {
			t.Fatal(err)
		}
		member.SetReadDeadline(time.Now().Add(within))
		for b := make([]byte, 8); ; {
			if _, err := member.Read(b); err != nil {
				return false
			}
			if binary.BigEndian.Uint64(b) == sent {
				return true
			}
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	until := func(what string, is func() bool) {
		for end := time.Now().Add(arrives); !is(); <-tick.C {
			if time.Now().After(end) {
				t.Fatalf("never happened: %s", what)
			}
		}
	}
	until("the member hears", func() bool { return hears(patience) })
	until("the switch forgets the member", func() bool { return !hears(patience) })

	_, stop := start(t, l.Host(0), On)
	until("the member hears again", func() bool { return hears(patience) })
	for end := time.Now().Add(2 * forgets); time.Now().Before(end); <-tick.C {
		if !hears(3 * time.Second) {
			t.Fatal("the switch forgot the member although it was asked")
		}
	}
	stop()
	until("the switch forgets the member again", func() bool { return !hears(patience) })
}

// Without the right to open a raw socket that is what the error says.
func TestOpenWithoutTheRight(t *testing.T) {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData // as version 3 wants
		if err := unix.Capset(&header, &none[0]); err != nil {
			failed <- err
			return
		}
		q, err := Open(Config{Interface: "lo", Addr: netip.MustParseAddr("127.0.0.1")})
		if err == nil {
			q.Close()
		}
		failed <- err
	}()
	if err := <-failed; !errors.Is(err, os.ErrPermission) {
		t.Errorf("without a right to it a raw socket gave %v", err)
	}
}
