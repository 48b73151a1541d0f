package mcast_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/internal/mcast"
)

// lab is machines on one bridge, each in a network namespace of its own. The
// namespaces have no names: they vanish with the files that hold them, even if
// the test is killed.
type lab struct {
	tb       testing.TB
	bridge   *os.File
	machines []*os.File
	networks []mcast.Network
}

// newLab makes machines 10.77.0.1 and so on, each with an interface eth0.
func newLab(tb testing.TB, machines int, opts mcast.Options) *lab {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("network namespaces need root")
	}
	l := &lab{tb: tb, bridge: newNamespace(tb)}
	l.run(l.bridge, "ip link add br0 type bridge mcast_snooping 0")
	l.run(l.bridge, "ip link set br0 up")
	for i := range machines {
		m := newNamespace(tb)
		l.machines = append(l.machines, m)
		target := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), m.Fd())
		l.run(l.bridge, fmt.Sprintf("ip link add port%d type veth peer name eth0 netns %s", i, target))
		l.run(l.bridge, fmt.Sprintf("ip link set port%d master br0 up", i))
		l.run(m, "ip link set lo up")
		l.run(m, fmt.Sprintf("ip addr add 10.77.0.%d/24 dev eth0", i+1))
		l.run(m, "ip link set eth0 up")
		l.networks = append(l.networks, l.network(m, "", opts))
	}
	return l
}

// newNamespace returns a network namespace as an open file.
func newNamespace(tb testing.TB) *os.File {
	tb.Helper()
	type result struct {
		f   *os.File
		err error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{nil, err}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{f, err}
	}()
	r := <-made
	if r.err != nil {
		tb.Fatalf("new network namespace: %v", r.err)
	}
	tb.Cleanup(func() { r.f.Close() })
	return r.f
}

// in calls f on a thread in the namespace.
func in(tb testing.TB, ns *os.File, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // as above
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- f()
	}()
	return <-done
}

// run runs a command in a namespace.
func (l *lab) run(ns *os.File, command string) {
	l.tb.Helper()
	err := in(l.tb, ns, func() error {
		words := strings.Fields(command)
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", command, err, out)
		}
		return nil
	})
	if err != nil {
		l.tb.Fatal(err)
	}
}

// network returns an interface of the machine: eth0 need not be named, it is
// the only candidate there.
func (l *lab) network(ns *os.File, name string, opts mcast.Options) mcast.Network {
	l.tb.Helper()
	var n mcast.Network
	find := func() (err error) {
		n, err = mcast.Interface(name, opts)
		return err
	}
	// The kernel notices the link some time after it was set up.
	err := in(l.tb, ns, find)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for tries := 0; errors.Is(err, mcast.ErrNoInterface) && tries < 500; tries++ {
		<-again.C
		err = in(l.tb, ns, find)
	}
	if err != nil {
		l.tb.Fatal(err)
	}
	if name == "" && n.Name() != "eth0" {
		l.tb.Fatalf("chose %s, want eth0", n.Name())
	}
	return &placed{Network: n, tb: l.tb, ns: ns}
}

// placed is a Network whose sockets are made in a namespace, where they stay.
type placed struct {
	mcast.Network
	tb testing.TB
	ns *os.File
}

func (p *placed) Listen(group netip.AddrPort, source netip.Addr, gather time.Duration) (r mcast.Reader, err error) {
	err = in(p.tb, p.ns, func() (err error) {
		r, err = p.Network.Listen(group, source, gather)
		return err
	})
	return r, err
}

func (p *placed) Open(port uint16) (c mcast.Conn, err error) {
	err = in(p.tb, p.ns, func() (err error) {
		c, err = p.Network.Open(port)
		return err
	})
	return c, err
}
