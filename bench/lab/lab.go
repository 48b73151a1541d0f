package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Interface is the name of the network interface in every host.
const Interface = "eth0"

// MaxHosts bounds a lab: a Linux bridge has at most 1023 ports, and a lab
// larger than this on one machine measures nothing but that machine.
const MaxHosts = 500

// setupTimeout bounds one call of a system tool. They answer in milliseconds;
// the bound is for a machine that is busy with everything else.
const setupTimeout = 30 * time.Second

// Config says what a lab looks like. Only Hosts must be set.
type Config struct {
	// Hosts is how many hosts the bridge connects, 1..MaxHosts.
	Hosts int
	// MTU of every cable, in bytes; default 1500.
	MTU int
	// Snooping makes the bridge send multicast only to the ports whose hosts
	// joined the group (IGMP snooping), with the bridge as the querier. It
	// starts to do so a fraction of a second after New. Default: every port
	// gets all multicast, as in a plain switch.
	Snooping bool
	// Forgets, with Snooping, makes a bridge that asks nobody and takes a host for
	// gone from a group that has not reported for so long: 260 s in a switch that
	// keeps to RFC 3376 §8.4. Default: the bridge is a querier.
	Forgets time.Duration
}

func (c Config) validate() error {
	switch {
	case c.Hosts < 1 || c.Hosts > MaxHosts:
		return fmt.Errorf("lab: %d hosts, want 1 to %d", c.Hosts, MaxHosts)
	case c.MTU != 0 && (c.MTU < 576 || c.MTU > 65535):
		return fmt.Errorf("lab: MTU %d, want 576 to 65535", c.MTU)
	}
	return nil
}

// Lab is one bridge with its hosts. Its methods may be called concurrently.
type Lab struct {
	bridge  string // name of the bridge's namespace
	hosts   []*Host
	janitor *janitor
	backlog uint64 // backlogDrops when the lab was made
	taps    atomic.Int64

	offload   sync.Mutex // guards what follows, and the switching itself
	lossy     int        // hosts with a loss set
	stop      func() bool
	closeOnce sync.Once
	closeErr  error
}

// ErrNotRoot is returned by New when the process may not make namespaces.
var ErrNotRoot = errors.New("lab: making network namespaces needs root")

// New builds a lab. It is closed when ctx ends, if Close was not called before.
// New also removes what labs of dead processes left on this machine.
func New(ctx context.Context, cfg Config) (*Lab, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := Available(); err != nil {
		return nil, err
	}
	if cfg.MTU == 0 {
		cfg.MTU = 1500
	}
	sweep()
	base := newName()
	l := &Lab{bridge: base + "-b", backlog: backlogDrops()}
	for i := range cfg.Hosts {
		l.hosts = append(l.hosts, &Host{
			lab: l, index: i,
			namespace: fmt.Sprintf("%s-h%d", base, i),
			addr:      hostAddr(i),
		})
	}
	var err error
	if l.janitor, err = startJanitor(); err != nil {
		return nil, fmt.Errorf("lab: starting its janitor: %w", err)
	}
	if err := l.build(ctx, cfg); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: building it: %w", err), l.Close())
	}
	l.stop = context.AfterFunc(ctx, func() { l.Close() })
	return l, nil
}

// Available tells whether a lab can be made here: nil, ErrNotRoot, or an error
// that names the missing program.
func Available() error {
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	for _, tool := range []string{"ip", "nft", "tc", "ethtool"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("lab: program %s is missing (Debian packages iproute2, nftables, ethtool)", tool)
		}
	}
	return nil
}

// hostAddr gives host i its address: 10.77.0.1 is host 0, 200 hosts to each
// third octet so that no address looks like a network's or a broadcast's.
func hostAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(i / 200), byte(1 + i%200)})
}

func (l *Lab) build(ctx context.Context, cfg Config) error {
	var add strings.Builder
	for _, ns := range l.namespaces() {
		// The janitor hears of a namespace before it exists: dying between
		// the two must leave nothing behind.
		if err := l.janitor.hold(ns); err != nil {
			return err
		}
		fmt.Fprintf(&add, "netns add %s\n", ns)
	}
	if err := run(ctx, add.String(), "ip", "-batch", "-"); err != nil {
		return err
	}
	if err := run(ctx, l.bridgeCommands(cfg), "ip", "-n", l.bridge, "-batch", "-"); err != nil {
		return err
	}
	for _, h := range l.hosts {
		// Without IPv6 addresses nothing but the test's own traffic and IGMP
		// is on the wire, so counters count what they seem to.
		cmds := fmt.Sprintf("link set lo up\nlink set %[1]s addrgenmode none\n"+
			"addr add %[2]s/16 broadcast + dev %[1]s\nlink set %[1]s up\nroute add 224.0.0.0/4 dev %[1]s\n",
			Interface, h.addr)
		if err := run(ctx, cmds, "ip", "-n", h.namespace, "-batch", "-"); err != nil {
			return err
		}
	}
	return l.awaitLinks(ctx)
}

// awaitLinks waits until every cable carries packets at both ends. The kernel
// takes up to a second for that after "up", and drops what is sent before.
func (l *Lab) awaitLinks(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		ports, err := output(ctx, "", "ip", "-n", l.bridge, "-d", "-o", "link", "show", "type", "veth")
		if err != nil {
			return err
		}
		up := strings.Count(ports, "bridge_slave state forwarding") == len(l.hosts)
		for _, h := range l.hosts {
			if up {
				up, err = h.linkUp()
			}
			if err != nil {
				return err
			}
		}
		if up {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("cables are not up: %w", ctx.Err())
		}
	}
}

func (l *Lab) bridgeCommands(cfg Config) string {
	var b strings.Builder
	b.WriteString("link add br0 type bridge mcast_snooping 0\n")
	if cfg.Snooping {
		// A Linux bridge floods until its querier has waited one response
		// interval for answers; 10 (centiseconds) is IGMP's shortest. Below version
		// 3 it takes those who leave a source for such that join it.
		b.WriteString("link set br0 type bridge mcast_snooping 1 mcast_igmp_version 3 mcast_query_response_interval 10\n" +
			"link set br0 type bridge mcast_querier 1\n")
	}
	if cfg.Forgets > 0 {
		// A bridge that knows of no querier floods. This one takes itself for the
		// querier, asks once, before there are hosts, and then a day later.
		fmt.Fprintf(&b, "link set br0 type bridge mcast_startup_query_count 0 mcast_query_interval %d mcast_membership_interval %d\n",
			24*time.Hour/(10*time.Millisecond), cfg.Forgets/(10*time.Millisecond))
	}
	b.WriteString("link set br0 addrgenmode none\nlink set br0 up\n")
	for _, h := range l.hosts {
		fmt.Fprintf(&b, "link add %[1]s mtu %[2]d type veth peer name %[3]s mtu %[2]d netns %[4]s\n",
			h.port(), cfg.MTU, Interface, h.namespace)
		fmt.Fprintf(&b, "link set %s addrgenmode none\nlink set %[1]s master br0 up\n", h.port())
	}
	return b.String()
}

// namespaces lists the lab's namespaces, the bridge's first.
func (l *Lab) namespaces() []string {
	names := []string{l.bridge}
	for _, h := range l.hosts {
		names = append(names, h.namespace)
	}
	return names
}

// Host returns host i, 0..Hosts-1. It panics on any other number.
func (l *Lab) Host(i int) *Host { return l.hosts[i] }

// Hosts returns all hosts in order. The slice is the caller's.
func (l *Lab) Hosts() []*Host { return append([]*Host(nil), l.hosts...) }

// BacklogDrops returns how many packets this machine (all of it, not only the
// lab) dropped since New because one of its CPUs was handed more than its queue
// holds. That is a loss nobody asked for: a measurement during which it grew
// is worth less.
func (l *Lab) BacklogDrops() uint64 { return backlogDrops() - l.backlog }

// Close kills every process that still runs in the lab, with SIGKILL, and
// removes the lab. Calling it again returns the first call's result.
func (l *Lab) Close() error {
	l.closeOnce.Do(func() {
		if l.stop != nil {
			l.stop()
		}
		l.closeErr = l.janitor.finish()
		var left []string
		for _, ns := range l.namespaces() {
			if _, err := os.Stat(netnsDir + ns); err == nil {
				left = append(left, ns)
			}
		}
		if len(left) > 0 {
			l.closeErr = errors.Join(l.closeErr, fmt.Errorf("lab: namespaces not removed: %s", strings.Join(left, " ")))
		}
	})
	return l.closeErr
}

// run runs a system tool with the given standard input. The error carries what
// the tool said.
func run(ctx context.Context, input, name string, args ...string) error {
	_, err := output(ctx, input, name, args...)
	return err
}

// output is run, returning the tool's standard output.
func output(ctx context.Context, input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, said strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	return out.String(), nil
}
