package dhcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

// The lab's network, and addresses of it that none of its hosts has.
var (
	network = netip.MustParsePrefix("10.77.0.0/16")
	first   = netip.MustParseAddr("10.77.9.100")
	last    = netip.MustParseAddr("10.77.9.120")
)

func newLab(t *testing.T, hosts int) *lab.Lab {
	t.Helper()
	return labtest.New(t, lab.Config{Hosts: hosts})
}

// take gets an address as UEFI firmware does, from the server that is given, with the
// card's own MAC address. It returns the ACK.
func take(t *testing.T, h *lab.Host, server netip.Addr) (ack *Packet) {
	t.Helper()
	err := h.Do(func() error {
		i, err := net.InterfaceByName(lab.Interface)
		if err != nil {
			return err
		}
		s, err := open(lab.Interface, netip.AddrPortFrom(netip.IPv4Unspecified(), ClientPort), netip.IPv4Unspecified(), true)
		if err != nil {
			return err
		}
		defer s.conn.Close()
		s.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		send := func(p *Packet) error {
			b, err := p.AppendBinary(nil)
			if err != nil {
				return err
			}
			return s.write(b, netip.AddrPortFrom(everybody.Addr(), ServerPort))
		}
		hear := func(want Type) (*Packet, error) {
			b := make([]byte, longest+1)
			for {
				n, _, err := s.read(b)
				if err != nil {
					return nil, err
				}
				if p, err := Parse(b[:n]); err == nil && p.Reply && p.XID == 7 && p.Options.Type() == want && p.Options.Addr(ServerID) == server && p.YIAddr.IsValid() {
					return p, nil
				}
			}
		}
		broadcast := func(p *Packet) { p.Flags = Broadcast }
		if err := send(message(MAC(i.HardwareAddr), Discover, pxe(X64), broadcast)); err != nil {
			return err
		}
		offer, err := hear(Offer)
		if err != nil {
			return err
		}
		if err := send(message(MAC(i.HardwareAddr), Request, pxe(X64), broadcast, to(server.String()), wants(offer.YIAddr.String()))); err != nil {
			return err
		}
		ack, err = hear(Ack)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// tool skips the test where a program is missing.
func tool(t *testing.T, name, debian string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("program %s is missing (Debian package %s)", name, debian)
	}
}

// listening runs a server in a host until stop is called, at the latest until the test
// ends.
func listening(t *testing.T, h *lab.Host, mode Mode, leases string) (notes <-chan Note, stop func()) {
	t.Helper()
	all := make(chan Note, 1000)
	cfg := Setup{Config: classic, Interface: lab.Interface, Leases: leases, Note: func(n Note) { all <- n }}
	cfg.Mode, cfg.Server, cfg.Subnet, cfg.First, cfg.Last = mode, h.Addr(), network, first, last
	cfg.Router, cfg.Domain, cfg.DNS = h.Addr(), "lab.example", []netip.Addr{h.Addr()}
	var l *Listener
	if err := h.Do(func() (err error) { l, err = Listen(cfg); return err }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
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

// udhcpc gets an address as busybox does, and returns what it was told.
func udhcpc(t *testing.T, h *lab.Host, args ...string) map[string]string {
	t.Helper()
	tool(t, "udhcpc", "udhcpc")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ $1 = bound ] && env\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := append([]string{"-f", "-q", "-n", "-t", "10", "-T", "1", "-i", lab.Interface, "-s", script}, args...)
	cmd := h.Command(ctx, "udhcpc", all...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.Bytes())
	}
	told := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		told[key] = value
	}
	return told
}

// dnsmasq runs the network's own DHCP server in a host.
func dnsmasq(t *testing.T, h *lab.Host, args ...string) {
	t.Helper()
	tool(t, "dnsmasq", "dnsmasq-base")
	all := append([]string{"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--log-facility=-",
		"--interface=" + lab.Interface, "--no-ping", "--dhcp-range=10.77.9.200,10.77.9.210,1h", "--dhcp-leasefile=" + filepath.Join(t.TempDir(), "leases")}, args...)
	cmd := h.Command(t.Context(), "dnsmasq", all...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Cancel()
		cmd.Wait()
		if t.Failed() {
			t.Logf("dnsmasq: %s", said.Bytes())
		}
	})
}

// probeUntil probes from a host until ok, at most 20 s.
func probeUntil(t *testing.T, h *lab.Host, ok func([]Heard) bool) []Heard {
	t.Helper()
	var all []Heard
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		err := h.Do(func() (err error) { all, err = Probe(t.Context(), lab.Interface, time.Second); return err })
		if err != nil {
			t.Fatal(err)
		}
		if ok(all) {
			return all
		}
	}
	t.Fatalf("heard %+v", all)
	return nil
}

func gives(all []Heard) bool {
	for _, h := range all {
		if h.Gives.IsValid() {
			return true
		}
	}
	return false
}

func TestBusyboxGetsAnAddress(t *testing.T) {
	l := newLab(t, 3)
	file := filepath.Join(t.TempDir(), "leases")
	_, stop := listening(t, l.Host(0), Full, file)
	told := udhcpc(t, l.Host(1), "-V", "PXEClient:Arch:00000:UNDI:002001", "-x", "hostname:pc-1")
	for key, want := range map[string]string{
		"ip": "10.77.9.100", "subnet": "255.255.0.0", "router": "10.77.0.1", "dns": "10.77.0.1", "domain": "lab.example",
		"serverid": "10.77.0.1", "siaddr": "10.77.0.1", "boot_file": "core.0", "lease": "3600", "broadcast": "10.77.255.255",
	} {
		if told[key] != want {
			t.Errorf("%s is %q, want %q", key, told[key], want)
		}
	}
	stop()
	_, _ = listening(t, l.Host(0), Full, file)
	if other := udhcpc(t, l.Host(2)); other["ip"] != "10.77.9.101" {
		t.Errorf("after a restart another gets %q", other["ip"])
	}
	if again := udhcpc(t, l.Host(1)); again["ip"] != told["ip"] || again["boot_file"] != "" {
		t.Errorf("after a restart it gets %q, and %q to boot", again["ip"], again["boot_file"])
	}
	if text, _ := os.ReadFile(file); !strings.Contains(string(text), " 10.77.9.100 ") || !strings.Contains(string(text), " pc-1\n") {
		t.Errorf("the leases are %q", text)
	}
}

// ask sends a message on an interface of a host.
func ask(t *testing.T, h *lab.Host, name string, p *Packet, to netip.AddrPort) {
	t.Helper()
	err := h.Do(func() error {
		s, err := open(name, netip.AddrPortFrom(netip.IPv4Unspecified(), ClientPort), netip.IPv4Unspecified(), true)
		if err != nil {
			return err
		}
		defer s.conn.Close()
		b, err := p.AppendBinary(nil)
		if err != nil {
			return err
		}
		return s.write(b, to)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What comes by another interface of the same machine is not heard.
func TestOtherInterfacesAreLeftAlone(t *testing.T) {
	l := newLab(t, 2)
	server := l.Host(0)
	for _, args := range []string{"link add other0 type veth peer name other1", "link set other0 up", "link set other1 up", "addr add 10.78.0.1/16 dev other0"} {
		if out, err := exec.Command("ip", append([]string{"-n", server.Namespace()}, strings.Fields(args)...)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %s", args, out)
		}
	}
	notes, _ := listening(t, server, Full, "")
	all := netip.AddrPortFrom(everybody.Addr(), ServerPort)
	ask(t, server, "other1", message(pc1, Discover, pxe(BIOS)), all)
	ask(t, l.Host(1), lab.Interface, message(pc2, Discover, pxe(BIOS)), all)
	select {
	case n := <-notes:
		if n.Client.MAC != pc2 || n.Told != Offer {
			t.Errorf("%+v", n)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was heard")
	}
}

// Beside dnsmasq on another machine: it gives the address, the proxy the boot file.
func TestProxyBesideDnsmasq(t *testing.T) {
	l := newLab(t, 3)
	dnsmasq(t, l.Host(1))
	listening(t, l.Host(0), Proxy, "")
	proxy, network := l.Host(0).Addr(), l.Host(1).Addr()
	var who []string
	for _, h := range probeUntil(t, l.Host(2), func(all []Heard) bool { return len(all) >= 3 }) {
		who = append(who, fmt.Sprintf("%v gives %v boot %q from %v", h.Server, h.Gives.IsValid(), h.Boot, h.From))
	}
	slices.Sort(who)
	want := []string{
		fmt.Sprintf("%v gives false boot \"core.0\" from %v", proxy, proxy),
		fmt.Sprintf("%v gives true boot \"core.0\" from %v", proxy, proxy), // in between
		fmt.Sprintf("%v gives true boot \"\" from %v", network, network),
	}
	if !slices.Equal(who, want) {
		t.Errorf("heard %q, want %q", who, want)
	}
	if told := udhcpc(t, l.Host(2)); told["serverid"] != l.Host(1).Addr().String() || told["boot_file"] != "" {
		t.Errorf("a system gets %v", told)
	}
}

// Beside dnsmasq on the same machine the proxy hears what is sent to all, and leaves
// to dnsmasq what is sent to the machine itself, such as renewals.
func TestProxyOnTheSameMachine(t *testing.T) {
	l := newLab(t, 2)
	server := l.Host(0)
	dnsmasq(t, server, "--bind-interfaces")
	probeUntil(t, l.Host(1), gives)
	notes, _ := listening(t, server, Proxy, "")
	probeUntil(t, l.Host(1), func(all []Heard) bool { return len(all) == 2 })
	for len(notes) > 0 {
		<-notes
	}
	ask(t, l.Host(1), lab.Interface, message(pc1, Request, pxe(BIOS), func(p *Packet) { p.CIAddr = l.Host(1).Addr() }), netip.AddrPortFrom(server.Addr(), ServerPort))
	ask(t, l.Host(1), lab.Interface, message(pc2, Discover, pxe(BIOS)), netip.AddrPortFrom(everybody.Addr(), ServerPort))
	select {
	case n := <-notes:
		if n.Client.MAC != pc2 {
			t.Errorf("the proxy took what was sent to dnsmasq: %+v", n)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was heard")
	}
}

// A DHCP server that has port 67 for itself leaves port 4011.
func TestPortTakenByAnotherServer(t *testing.T) {
	l := newLab(t, 2)
	server := l.Host(0)
	dnsmasq(t, server)
	probeUntil(t, l.Host(1), gives)
	cfg := Setup{Config: classic, Interface: lab.Interface}
	cfg.Server, cfg.Subnet = server.Addr(), network
	for _, mode := range []Mode{Proxy, Full} {
		cfg.Mode, cfg.First, cfg.Last = mode, first, last
		var got *Listener
		err := server.Do(func() (err error) { got, err = Listen(cfg); return err })
		if p, ok := errors.AsType[*PortTaken](err); !ok || p.Port != ServerPort {
			t.Errorf("%v", err)
		}
		if (got != nil) != (mode == Proxy) {
			t.Errorf("mode %d: %v", mode, got)
		}
		if got != nil {
			got.Close()
		}
	}
}

func TestNeighbours(t *testing.T) {
	all := parseNeighbours([]byte(`IP address       HW type     Flags       HW address            Mask     Device
10.0.0.5         0x1         0x2         52:54:00:00:00:05     *        eth0
10.0.0.6         0x1         0x0         00:00:00:00:00:00     *        eth0
10.0.0.7         0x1         0x2         52:54:00:00:00:07     *        eth1
10.0.0.8         0x1         0x2         rubbish               *        eth0
`), "eth0")
	if len(all) != 1 || all[netip.MustParseAddr("10.0.0.5")] != (MAC{0x52, 0x54, 0, 0, 0, 5}) {
		t.Errorf("%v", all)
	}
}

// Who answers for an address that nobody has from here keeps it; who has it, too.
func TestScoutsFindings(t *testing.T) {
	l := &Listener{server: giving(t), note: func(Note) {}}
	run(t, l.server, []step{
		{"offer", message(pc1, Discover), 0, "OFFER 10.0.0.100"},
		{"lease", message(pc1, Request, to("10.0.0.1"), wants("10.0.0.100")), 0, "ACK 10.0.0.100"},
	})
	looked := l.server.leases.Free(nil, 10, noon.Add(2*time.Hour))
	if len(looked) != 3 {
		t.Errorf("%v are free when the lease is over", looked)
	}
	l.strangers(looked, map[netip.Addr]MAC{netip.MustParseAddr("10.0.0.100"): pc1, netip.MustParseAddr("10.0.0.101"): pc2})
	if len(l.server.leases.bad) != 1 || l.server.leases.Of(pc1) == nil {
		t.Errorf("%v", l.server.leases.bad)
	}
	// Who took an address while others were waited for keeps it: it may have been asked
	// about when its last owner still answered.
	have := l.server.leases.Offer(pc3, netip.MustParseAddr("10.0.0.102"), time.Now())
	l.server.leases.Take(have, time.Now().Add(time.Hour), "")
	l.strangers(looked, map[netip.Addr]MAC{have.Addr: pc2})
	if l.server.leases.Of(pc3) != have {
		t.Error("a lease was taken away")
	}
}
