package simnet

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

// firstPort is the first of the ephemeral ports (RFC 6335).
const firstPort = 49152

// Host is a machine on the net: an mcast.Network.
type Host struct {
	net  *Net
	name string
	addr netip.Addr

	// The net's lock guards the rest.
	in, out       *link
	receiveBuffer int
	sockets       map[netip.AddrPort][]*socket
	nextPort      uint16
	counters      Counters
}

// Counters counts the datagrams of a host by the type in byte 11 of each
// (0 for shorter ones). What a socket dropped for want of room in its receive
// buffer counts as received; see mcast.Reader.Overflow for it.
type Counters struct {
	Sent     Tallies // written by the host's processes
	Received Tallies // came out of the link toward the host
	LostIn   Tallies // lost on the link toward the host
	LostOut  Tallies // lost on the link from the host
}

// Tallies counts datagrams by their type.
type Tallies [256]Tally

// Tally is a number of datagrams and their UDP payload bytes.
type Tally struct {
	Datagrams, Bytes uint64
}

func (t *Tallies) add(r row) {
	t[r.kind].Datagrams += uint64(r.len())
	t[r.kind].Bytes += uint64(len(r.data))
}

// Total returns the sum over all types.
func (t Tallies) Total() Tally {
	var sum Tally
	for _, one := range t {
		sum.Datagrams += one.Datagrams
		sum.Bytes += one.Bytes
	}
	return sum
}

func newHost(n *Net, name string, number int) *Host {
	h := &Host{
		net:           n,
		name:          name,
		addr:          netip.AddrFrom4([4]byte{10, byte(number >> 16), byte(number >> 8), byte(number)}),
		receiveBuffer: n.opts.ReceiveBuffer,
		sockets:       make(map[netip.AddrPort][]*socket),
		nextPort:      firstPort,
	}
	h.in = newLink(generator(n.seed, name, "in"), false, &h.counters.LostIn)
	h.out = newLink(generator(n.seed, name, "out"), true, &h.counters.LostOut)
	return h
}

// generator gives each link random numbers that depend on the seed and its own
// name only.
func generator(seed uint64, name, direction string) *rand.Rand {
	hash := fnv.New64a()
	hash.Write([]byte(name + "\x00" + direction))
	return rand.New(rand.NewPCG(seed, hash.Sum64()))
}

// SetIn changes the link toward the host from now on.
func (h *Host) SetIn(l Link) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.in.set(time.Now(), l)
}

// SetOut changes the link from the host from now on.
func (h *Host) SetOut(l Link) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.out.set(time.Now(), l)
}

// In returns what the link toward the host does.
func (h *Host) In() Link {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.in.Link
}

// Out returns what the link from the host does.
func (h *Host) Out() Link {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.out.Link
}

// SetReceiveBuffer sets the receive buffer of the host's future sockets, in
// bytes of datagrams.
func (h *Host) SetReceiveBuffer(bytes int) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.receiveBuffer = bytes
}

// Counters returns what the host has counted so far.
func (h *Host) Counters() Counters {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	return h.counters
}

// PowerCut closes all sockets of the host without a word to anyone: at once, or who
// sees one closed could tell of it by another.
func (h *Host) PowerCut() {
	h.net.mu.Lock()
	var all []*socket
	for _, sockets := range h.sockets {
		all = append(all, sockets...)
	}
	for _, s := range all {
		s.mu.Lock()
	}
	var open []*socket
	for _, s := range all {
		if !s.closed {
			open = append(open, s)
		}
		s.closed, s.queue = true, nil
	}
	for _, s := range all {
		s.mu.Unlock()
	}
	h.net.mu.Unlock()
	for _, s := range open {
		s.end()
	}
}

// Name implements mcast.Network.
func (h *Host) Name() string { return h.name }

// Addr implements mcast.Network.
func (h *Host) Addr() netip.Addr { return h.addr }

// MTU implements mcast.Network.
func (h *Host) MTU() int { return h.net.opts.MTU }

// LinkRate implements mcast.Network: the rate of the link from the host.
func (h *Host) LinkRate() int64 { return h.Out().Rate }

// Listen implements mcast.Network. Nothing gathers: a wake costs nothing here.
func (h *Host) Listen(group netip.AddrPort, source netip.Addr, _ time.Duration) (mcast.Reader, error) {
	if !group.Addr().Is4() || !group.Addr().IsMulticast() || group.Port() == 0 {
		return nil, fmt.Errorf("listen to %s: not an IPv4 multicast group and port", group)
	}
	if source.IsValid() && !source.Is4() {
		return nil, fmt.Errorf("listen to %s: source %s: not an IPv4 address", group, source)
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	s, err := h.open(group, source)
	if err != nil {
		return nil, err
	}
	h.net.join(s)
	return s, nil
}

// Open implements mcast.Network.
func (h *Host) Open(port uint16) (mcast.Conn, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	local := netip.AddrPortFrom(h.addr, port)
	if len(h.sockets[local]) > 0 {
		return nil, fmt.Errorf("open a socket on %s: %s: %w", h.name, local, syscall.EADDRINUSE)
	}
	if port == 0 {
		local = h.freePort()
	}
	s, err := h.open(local, netip.Addr{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// freePort returns an address that no socket of the host has.
func (h *Host) freePort() netip.AddrPort {
	local := netip.AddrPortFrom(h.addr, h.nextPort)
	for len(h.sockets[local]) > 0 {
		local = netip.AddrPortFrom(h.addr, h.advancePort())
	}
	h.advancePort()
	return local
}

// advancePort goes round so that a restarted process does not get the port of
// its predecessor.
func (h *Host) advancePort() uint16 {
	if h.nextPort++; h.nextPort < firstPort {
		h.nextPort = firstPort
	}
	return h.nextPort
}

func (h *Host) open(local netip.AddrPort, source netip.Addr) (*socket, error) {
	if h.net.closed {
		return nil, fmt.Errorf("open a socket on %s: the network is closed: %w", h.name, net.ErrClosed)
	}
	s := newSocket(h, local, source)
	h.sockets[local] = append(h.sockets[local], s)
	return s, nil
}

// arrive takes what came out of the link toward the host.
func (h *Host) arrive(r row) {
	h.counters.Received.add(r)
	h.deliver(r)
}

// deliver hands r to the sockets that it is for.
func (h *Host) deliver(r row) {
	for _, s := range h.sockets[r.to] {
		if s.accepts(r.from) {
			s.enqueue(r)
		}
	}
}
