package mcast

import (
	"errors"
	"net/netip"
)

// Overhearer is a Network that can tell whether multicast arrives that nobody
// on this machine joined: whether the switch floods. It is optional.
type Overhearer interface {
	// Overhear counts from now on the datagrams to group that reach this
	// interface, joined or not. It joins nothing. Errors wrap ErrNoOverhear.
	Overhear(group netip.AddrPort) (Ear, error)
}

// Ear counts datagrams that were overheard.
type Ear interface {
	// Count returns how many there were since Overhear.
	Count() uint64
	Close() error
}

// ErrNoOverhear says that this interface can't be overheard, with the reason.
var ErrNoOverhear = errors.New("can't hear multicast that was not asked for")
