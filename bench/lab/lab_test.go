package lab_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

var group = netip.MustParseAddrPort("239.77.1.1:7000")

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []lab.Config{{}, {Hosts: -1}, {Hosts: lab.MaxHosts + 1}, {Hosts: 1, MTU: 100}} {
		if l, err := lab.New(t.Context(), cfg); err == nil {
			l.Close()
			t.Errorf("New(%+v) succeeded, want an error", cfg)
		}
	}
}

func TestLabsRunSideBySide(t *testing.T) {
	// Same addresses and groups in each: what one says, the other must not hear.
	const labs = 3
	var wg sync.WaitGroup
	for i := range labs {
		l := labtest.New(t, lab.Config{Hosts: 3})
		wg.Go(func() {
			a, b := l.Host(1), l.Host(2)
			ra, rb := listen(t, a, group), listen(t, b, group)
			send(t, l.Host(0), fmt.Sprintf("lab %d", i))
			for _, r := range []*net.UDPConn{ra, rb} {
				if got := receive(t, r); got != fmt.Sprintf("lab %d", i) {
					t.Errorf("in lab %d heard %q", i, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestMachinesOwnNetworkIsUntouched(t *testing.T) {
	before := network(t)
	l := labtest.New(t, lab.Config{Hosts: 2})
	if err := l.Host(0).SetRate(100); err != nil {
		t.Fatal(err)
	}
	if err := l.Host(0).SetLoss(lab.Loss{Percent: 1}); err != nil {
		t.Fatal(err)
	}
	if after := network(t); after != before {
		t.Errorf("the machine's network changed with a lab:\n%s\nbefore:\n%s", after, before)
	}
}

func network(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, args := range [][]string{{"ip", "-o", "link"}, {"ip", "route", "show", "table", "all"}, {"tc", "qdisc"}, {"nft", "list", "tables"}} {
		out, _ := exec.Command(args[0], args[1:]...).CombinedOutput()
		all.Write(out)
	}
	return all.String()
}

func TestCommandRunsInsideTheHost(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 2, MTU: 9000})
	out, err := l.Host(1).Command(t.Context(), "ip", "-o", "addr", "show", lab.Interface).Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := " " + l.Host(1).Addr().String() + "/16 "; !strings.Contains(string(out), want) {
		t.Errorf("host 1 shows %q, want the address %s", out, want)
	}
	before, _ := os.Hostname()
	name, err := l.Host(1).Command(t.Context(), "uname", "-n").Output()
	if err != nil || strings.TrimSpace(string(name)) != "host1" {
		t.Errorf("host 1 is called %q (%v)", name, err)
	}
	if after, _ := os.Hostname(); after != before {
		t.Errorf("the machine itself is now called %q, was %q", after, before)
	}
	mtu, err := l.Host(1).Command(t.Context(), "cat", "/sys/class/net/"+lab.Interface+"/mtu").Output()
	if err != nil || strings.TrimSpace(string(mtu)) != "9000" {
		t.Errorf("MTU %q (%v), want 9000", mtu, err)
	}
}

func TestDoLeavesTheThreadWhereItWas(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 1})
	home, inside := "", ""
	read := func(s *string) error {
		ns, err := os.Readlink("/proc/thread-self/ns/net")
		*s = ns
		return err
	}
	if err := read(&home); err != nil {
		t.Fatal(err)
	}
	wrong := fmt.Errorf("fn's own error")
	if err := l.Host(0).Do(func() error { read(&inside); return wrong }); err != wrong {
		t.Errorf("Do returned %v, want %v", err, wrong)
	}
	if inside == home || inside == "" {
		t.Errorf("inside Do the network namespace is %q, outside %q", inside, home)
	}
	// All threads must be back, whichever one runs us next.
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			var now string
			if err := read(&now); err != nil || now != home {
				t.Errorf("after Do a thread is in %q (%v), want %q", now, err, home)
			}
		})
	}
	wg.Wait()
}

func TestSnoopingKeepsMulticastFromThoseWhoDidNotJoin(t *testing.T) {
	for _, snooping := range []bool{false, true} {
		t.Run(fmt.Sprintf("snooping=%v", snooping), func(t *testing.T) {
			l := labtest.New(t, lab.Config{Hosts: 3, Snooping: snooping})
			bystander := l.Host(2)
			r := listen(t, l.Host(1), group)
			spared := func() bool {
				// A loss that drops next to nothing counts what arrives.
				if err := bystander.SetLoss(lab.Loss{BurstEvery: 1_000_000, BurstLength: 1}); err != nil {
					t.Fatal(err)
				}
				send(t, l.Host(0), "hello")
				if got := receive(t, r); got != "hello" {
					t.Fatalf("the member heard %q", got)
				}
				count, err := bystander.LossCount()
				if err != nil {
					t.Fatal(err)
				}
				return count.Seen == 0
			}
			if snooping {
				eventually(t, "the host that did not join is spared", spared)
			} else if spared() {
				t.Error("the host that did not join was sent nothing by a bridge without snooping")
			}
		})
	}
}

// listen opens a socket in the host, joins the group if it is one, and takes
// care that the socket's buffer holds all that a test sends: what is lost here
// is lost on the cable.
func listen(t *testing.T, h *lab.Host, at netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := h.Do(func() (err error) {
		if !at.Addr().IsMulticast() {
			c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
			return err
		}
		ifi, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		c, err = net.ListenMulticastUDP("udp4", ifi, net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Error(err)
		t.FailNow()
	}
	t.Cleanup(func() { c.Close() })
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 128<<20)
		})
	}
	if err != nil {
		t.Error(err)
	}
	return c
}

// dial makes a socket in the host that sends to the address.
func dial(t *testing.T, h *lab.Host, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := h.Do(func() (err error) {
		c, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		return err
	})
	if err != nil {
		t.Error(err)
		t.FailNow()
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func send(t *testing.T, h *lab.Host, what string) {
	t.Helper()
	if _, err := dial(t, h, group).Write([]byte(what)); err != nil {
		t.Error(err)
	}
}

func receive(t *testing.T, c *net.UDPConn) string {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 2048)
	n, err := c.Read(buf)
	if err != nil {
		t.Error(err)
	}
	return string(buf[:n])
}
