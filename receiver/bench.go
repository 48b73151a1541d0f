package receiver

import (
	"errors"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// ErrBench says that a session is a bench: its image is made up, so a target
// that keeps anything must not take part.
var ErrBench = errors.New("the session is a bench: its made-up image is for `receive --disk discard` only, nothing was written")

// keepsNothing reports whether target is known to throw everything away. One
// that does not say so keeps it.
func keepsNothing(target Target) bool {
	t, ok := target.(interface{ Info() disk.Info })
	return ok && t.Info().Kind == disk.Discard
}

// overhear listens for the probes of a bench session, if the network lets us.
func overhear(n mcast.Network, data netip.AddrPort) mcast.Ear {
	if o, ok := n.(mcast.Overhearer); ok {
		if ear, err := o.Overhear(protocol.ProbeGroup(data)); err == nil {
			return ear
		}
	}
	return nil
}

// stray returns how many probes the switch sent to us though we did not join.
func (s *session) stray() uint32 {
	if s.ear == nil {
		return protocol.StrayUnknown
	}
	return uint32(min(s.ear.Count(), protocol.StrayUnknown-1))
}

// millis rounds nanoseconds, for a counter that no session outlasts.
func millis(ns int64) uint32 {
	return uint32(min(time.Duration(ns).Milliseconds(), 1<<32-1))
}
