// Package simnet is a network in memory: hosts on one switch, with groups,
// unicast, and links that lose, delay, reorder, duplicate, corrupt and throttle
// what passes, all from one seed. A Host is an mcast.Network, so sender and
// receivers run on it unchanged. Made for testing/synctest: every wait is on a
// channel or timer, so a simulated hour takes as long as the work in it.
//
// What is sent travels as one copy of its bytes, and rows of datagrams stay
// together where a link leaves them alone, as they do with GRO: a thousand
// hosts are affordable. Each link draws from a generator of its own, so one
// more host does not change what the others lose. The order in which datagrams
// of several senders meet at a host is the scheduler's and not seeded.
package simnet

import (
	"net/netip"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

// Options of a Net. The zero value is useful.
type Options struct {
	// MTU of every host in bytes; default 1500.
	MTU int
	// ReceiveBuffer of every socket in bytes of datagrams; default 32 MiB.
	// Host.SetReceiveBuffer changes it for one host.
	ReceiveBuffer int
	// SendBuffer is how many bytes may wait for a host's outgoing link of
	// limited rate before a write blocks; default 1 MiB.
	SendBuffer int
	// Flood makes the switch send all multicast to all hosts; default: only to
	// those that joined. What overhears tells the difference.
	Flood bool
}

// Net is a switch with hosts. Make it, and Close it, inside the synctest bubble.
type Net struct {
	seed uint64
	opts Options

	// mu guards the net and its hosts, not the queues of their sockets; it is
	// never held while anything blocks. A socket's own lock nests inside.
	mu     sync.Mutex
	hosts  []*Host
	byName map[string]*Host
	byAddr map[netip.Addr]*Host
	groups map[netip.AddrPort][]*socket
	ears   map[netip.AddrPort][]*ear
	events events
	closed bool

	wake    chan struct{} // the earliest event changed
	done    chan struct{}
	stopped chan struct{}
}

// New returns a network without hosts. Equal seeds give equal losses.
func New(seed uint64, opts Options) *Net {
	if opts.MTU == 0 {
		opts.MTU = 1500
	}
	if opts.ReceiveBuffer == 0 {
		opts.ReceiveBuffer = 32 << 20
	}
	if opts.SendBuffer == 0 {
		opts.SendBuffer = 1 << 20
	}
	n := &Net{
		seed:    seed,
		opts:    opts,
		byName:  make(map[string]*Host),
		byAddr:  make(map[netip.Addr]*Host),
		groups:  make(map[netip.AddrPort][]*socket),
		ears:    make(map[netip.AddrPort][]*ear),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go n.run()
	return n
}

// Host returns the host of that name, new with the next address from 10.0.0.1
// on if there is none yet.
func (n *Net) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h, ok := n.byName[name]; ok {
		return h
	}
	h := newHost(n, name, len(n.hosts)+1)
	n.hosts = append(n.hosts, h)
	n.byName[name] = h
	n.byAddr[h.addr] = h
	return h
}

// Hosts returns all hosts in the order they were made.
func (n *Net) Hosts() []*Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]*Host(nil), n.hosts...)
}

// Close closes all sockets, drops what is on its way and ends the net's
// goroutine.
func (n *Net) Close() error {
	n.mu.Lock()
	already := n.closed
	n.closed = true
	hosts := append([]*Host(nil), n.hosts...)
	n.mu.Unlock()
	for _, h := range hosts {
		h.PowerCut()
	}
	if !already {
		close(n.done)
	}
	<-n.stopped
	return nil
}

// run carries out events when they are due.
func (n *Net) run() {
	defer close(n.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		n.mu.Lock()
		next, ok := n.step(time.Now())
		n.mu.Unlock()
		if ok {
			timer.Reset(time.Until(next))
		} else {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-n.wake:
		case <-n.done:
			return
		}
	}
}

// step carries out what is due at now and returns when the next event is.
func (n *Net) step(now time.Time) (time.Time, bool) {
	for {
		at, ok := n.events.next()
		if !ok || at.After(now) {
			return at, ok
		}
		e := n.events.pop()
		if e.host == nil {
			n.forward(now, e.row)
		} else {
			e.host.arrive(e.row)
		}
	}
}

// later carries out an event at its time, through run.
func (n *Net) later(at time.Time, host *Host, r row) {
	if n.events.push(at, host, r) {
		select {
		case n.wake <- struct{}{}:
		default: // run looks again anyway
		}
	}
}

// forward is the switch: r has left its sender's link and goes out on the links
// of all that want it.
func (n *Net) forward(now time.Time, r row) {
	if !r.to.Addr().IsMulticast() {
		if h := n.byAddr[r.to.Addr()]; h != nil {
			n.toward(now, h, r)
		}
		return
	}
	n.overhear(r)
	// The members of one host stand together: each host's link is passed once.
	var last *Host
	for _, s := range n.groups[r.to] {
		if s.host != last && s.host.addr != r.from.Addr() && s.accepts(r.from) {
			last = s.host
			n.toward(now, s.host, r)
		}
	}
}

// toward sends r down the link to h.
func (n *Net) toward(now time.Time, h *Host, r row) {
	for _, f := range h.in.pass(now, r) {
		if f.at.After(now) {
			n.later(f.at, h, f.row)
		} else {
			h.arrive(f.row)
		}
	}
}

// send takes what a host's process wrote: its own listeners hear it at once,
// the others through the host's outgoing link.
func (n *Net) send(h *Host, r row) {
	now := time.Now()
	h.counters.Sent.add(r)
	if r.to.Addr() == h.addr {
		h.arrive(r)
		return
	}
	if r.to.Addr().IsMulticast() {
		h.deliver(r)
	}
	for _, f := range h.out.pass(now, r) {
		if f.at.After(now) {
			n.later(f.at, nil, f.row)
		} else {
			n.forward(now, f.row)
		}
	}
}

// join adds s to the members of its group, beside those of the same host.
func (n *Net) join(s *socket) {
	members := n.groups[s.local]
	at := len(members)
	for i, m := range members {
		if m.host == s.host {
			at = i
			break
		}
	}
	members = append(members, nil)
	copy(members[at+1:], members[at:])
	members[at] = s
	n.groups[s.local] = members
}

func (n *Net) leave(s *socket) {
	members := n.groups[s.local]
	for i, m := range members {
		if m == s {
			n.groups[s.local] = append(members[:i:i], members[i+1:]...)
			break
		}
	}
	if len(n.groups[s.local]) == 0 {
		delete(n.groups, s.local)
	}
}

var _ mcast.Network = (*Host)(nil)
