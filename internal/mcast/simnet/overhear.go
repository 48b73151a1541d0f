package simnet

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/pxecast/pxecast/internal/mcast"
)

// ear is an mcast.Ear.
type ear struct {
	host  *Host
	group netip.AddrPort
	count atomic.Uint64
}

// Overhear implements mcast.Overhearer.
func (h *Host) Overhear(group netip.AddrPort) (mcast.Ear, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	e := &ear{host: h, group: group}
	h.net.ears[group] = append(h.net.ears[group], e)
	return e, nil
}

// Count implements mcast.Ear.
func (e *ear) Count() uint64 { return e.count.Load() }

// Close implements mcast.Ear.
func (e *ear) Close() error {
	n := e.host.net
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.Index(n.ears[e.group], e)
	if i < 0 {
		return net.ErrClosed
	}
	n.ears[e.group] = slices.Delete(n.ears[e.group], i, i+1)
	return nil
}

// overhear lets all hear r whom the switch sends it to. Their cables lose
// nothing of it.
func (n *Net) overhear(r row) {
	for _, e := range n.ears[r.to] {
		joined := func() bool {
			return slices.ContainsFunc(n.groups[r.to], func(s *socket) bool { return s.host == e.host && s.accepts(r.from) })
		}
		if e.host.addr != r.from.Addr() && (n.opts.Flood || joined()) {
			e.count.Add(uint64(r.len()))
		}
	}
}

var _ mcast.Overhearer = (*Host)(nil)
