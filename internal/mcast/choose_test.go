package mcast

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	wired := func(name, addr string, rate int64) Candidate {
		return Candidate{Name: name, Addr: netip.MustParseAddr(addr), LinkRate: rate,
			up: true, running: true, multicast: true}
	}
	lo := wired("lo", "127.0.0.1", 0)
	lo.loopback, lo.multicast = true, false
	eth0, eth1 := wired("eth0", "192.168.1.2", 1e9), wired("eth1", "10.0.0.2", 2500e6)
	slow := wired("usb0", "10.1.0.2", 100e6)
	down := wired("eth2", "10.0.1.2", 0)
	down.up, down.running = false, false
	unplugged := wired("eth3", "10.0.2.2", 0)
	unplugged.running = false
	bare := Candidate{Name: "eth4", up: true, running: true, multicast: true}
	tunnel := wired("tun0", "10.0.3.2", 0)
	tunnel.multicast = false

	cases := []struct {
		title  string
		all    []Candidate
		name   string
		want   string
		errors []string
	}{
		{"the only usable one", []Candidate{lo, eth0, down, unplugged, bare, tunnel}, "", "eth0", nil},
		{"several usable", []Candidate{lo, eth0, eth1, slow, down}, "", "", []string{
			"eth0 (192.168.1.2, 1 Gbit/s)", "eth1 (10.0.0.2, 2.5 Gbit/s)",
			"usb0 (10.1.0.2, 100 Mbit/s)", "--interface"}},
		{"none usable", []Candidate{lo, down, unplugged, bare, tunnel}, "", "", []string{
			"no usable network interface", "lo is the loopback", "eth2 is down", "eth3 has no link",
			"eth4 has no IPv4 address", "tun0 cannot multicast"}},
		{"none at all", nil, "", "", []string{"none at all"}},
		{"named among several", []Candidate{lo, eth0, eth1}, "eth1", "eth1", nil},
		{"the loopback by name", []Candidate{lo, eth0}, "lo", "lo", nil},
		{"without the multicast flag by name", []Candidate{tunnel}, "tun0", "tun0", nil},
		{"down by name", []Candidate{eth0, down}, "eth2", "", []string{"eth2 is down"}},
		{"no link by name", []Candidate{unplugged}, "eth3", "", []string{"eth3 has no link"}},
		{"no address by name", []Candidate{bare}, "eth4", "", []string{"eth4 has no IPv4 address"}},
		{"unknown name", []Candidate{lo, eth0, bare}, "eth9", "", []string{
			`"eth9" does not exist`, "lo (127.0.0.1, speed unknown)", "eth4 (no IPv4 address, speed unknown)"}},
	}
	for _, c := range cases {
		t.Run(c.title, func(t *testing.T) {
			got, err := choose(c.all, c.name)
			if c.want != "" {
				if err != nil || got.Name != c.want {
					t.Errorf("chose %q, error %v; want %q", got.Name, err, c.want)
				}
				return
			}
			if err == nil {
				t.Fatalf("chose %s, want an error", got)
			}
			for _, text := range c.errors {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("error %q does not say %q", err, text)
				}
			}
			var ambiguous *AmbiguousError
			if errors.As(err, &ambiguous) == errors.Is(err, ErrNoInterface) {
				t.Errorf("error %v is neither or both of the kinds that callers know", err)
			}
		})
	}
}

func TestInterfaceUnknown(t *testing.T) {
	_, err := Interface("no-such-card", Options{})
	if !errors.Is(err, ErrNoInterface) || !strings.Contains(err.Error(), "lo (127.0.0.1") {
		t.Errorf("error %v, want the list of interfaces", err)
	}
}

func TestInterfaceOptions(t *testing.T) {
	for ttl, valid := range map[int]bool{-1: false, 0: true, 1: true, 255: true, 256: false} {
		if _, err := Interface("lo", Options{TTL: ttl}); (err == nil) != valid {
			t.Errorf("ttl %d: error %v", ttl, err)
		}
	}
}

func TestSendBuffer(t *testing.T) {
	for rate, want := range map[int64]int{
		0: 2 << 20, 10e6: 128 << 10, 100e6: 128 << 10, 1e9: 500_000, 2500e6: 1_250_000, 100e9: 2 << 20,
	} {
		if got := sendBuffer(rate); got != want {
			t.Errorf("send buffer for %d bit/s: %d bytes, want %d", rate, got, want)
		}
	}
}
