package dhcp

import (
	"net/netip"
	"time"
)

// Lease is an address that a machine has, or had.
type Lease struct {
	MAC   MAC
	Addr  netip.Addr
	Until time.Time // it has it until then
	Name  string    // that it gave itself, "" for none
	taken bool      // it took it: not only offered
}

// Times.
const (
	offerTime = time.Minute      // an address is kept for who was offered it
	badTime   = 10 * time.Minute // an address is not given out that somebody else uses
)

// MaxRange is the most addresses that can be given out: those of a /16.
const MaxRange = 1 << 16

// Leases are the addresses of a range, and who has them. A machine is known by its
// MAC address alone: its ROM, its boot loader and its system each have a client
// identifier of their own (RFC 2132 §9.14), and by that would be three machines
// with three addresses.
type Leases struct {
	first, last netip.Addr
	never       map[netip.Addr]bool // of the range: not to be given out
	machine     map[MAC]*Lease
	address     map[netip.Addr]*Lease
	bad         map[netip.Addr]time.Time // until when
	changes     int                      // of what is worth writing down
}

// NewLeases returns the leases of first to last, both included, without those that
// are never given out. Nobody has any yet.
func NewLeases(first, last netip.Addr, never ...netip.Addr) *Leases {
	l := &Leases{
		first: first, last: last, never: make(map[netip.Addr]bool),
		machine: make(map[MAC]*Lease), address: make(map[netip.Addr]*Lease), bad: make(map[netip.Addr]time.Time),
	}
	for _, a := range never {
		l.never[a] = true
	}
	return l
}

// Of returns the lease of a machine, also one that is over; nil for none.
func (l *Leases) Of(m MAC) *Lease { return l.machine[m] }

// gives reports whether an address is one to be given out.
func (l *Leases) gives(a netip.Addr) bool {
	return a.IsValid() && !a.Less(l.first) && !l.last.Less(a) && !l.never[a]
}

// free reports whether a machine can have an address.
func (l *Leases) free(a netip.Addr, m MAC, now time.Time) bool {
	if !l.gives(a) || now.Before(l.bad[a]) {
		return false
	}
	have := l.address[a]
	return have == nil || have.MAC == m || !now.Before(have.Until)
}

// Offer keeps an address for a machine: the one that it has or had last, the one
// that it wants, one that nobody ever had, or the one that is unused for longest.
// nil: there is none.
func (l *Leases) Offer(m MAC, wanted netip.Addr, now time.Time) *Lease {
	if have := l.machine[m]; have != nil && l.free(have.Addr, m, now) {
		if until := now.Add(offerTime); have.Until.Before(until) {
			have.Until = until
		}
		return have
	}
	if l.free(wanted, m, now) {
		return l.bind(m, wanted, now)
	}
	var oldest *Lease
	for a := l.first; !l.last.Less(a); a = a.Next() {
		if !l.free(a, m, now) {
			continue
		}
		have := l.address[a]
		if have == nil {
			return l.bind(m, a, now)
		}
		if oldest == nil || have.Until.Before(oldest.Until) {
			oldest = have
		}
	}
	if oldest == nil {
		return nil
	}
	return l.bind(m, oldest.Addr, now)
}

// bind makes a machine the one that an address is kept for.
func (l *Leases) bind(m MAC, a netip.Addr, now time.Time) *Lease {
	l.forget(l.machine[m])
	l.forget(l.address[a])
	n := &Lease{MAC: m, Addr: a, Until: now.Add(offerTime)}
	l.machine[m], l.address[a] = n, n
	return n
}

func (l *Leases) forget(have *Lease) {
	if have != nil {
		delete(l.machine, have.MAC)
		delete(l.address, have.Addr)
	}
}

// Take makes an offer a lease, or a lease longer.
func (l *Leases) Take(have *Lease, until time.Time, name string) {
	have.Until, have.taken = until, true
	if name != "" {
		have.Name = name
	}
	l.changes++
}

// Release ends a lease. The machine gets the same address again if it comes back
// before somebody else needs it.
func (l *Leases) Release(have *Lease, now time.Time) {
	have.Until = now
	l.changes++
}

// Bad notes that somebody else uses an address. Whoever has it by a lease keeps it:
// so only addresses that are free are looked at, or one whose machine declines it.
func (l *Leases) Bad(a netip.Addr, now time.Time) {
	if !l.gives(a) {
		return
	}
	if have := l.address[a]; have != nil {
		l.forget(have)
		l.changes++
	}
	l.bad[a] = now.Add(badTime)
}

// Free appends the addresses that nobody has a lease of to dst, at most most.
func (l *Leases) Free(dst []netip.Addr, most int, now time.Time) []netip.Addr {
	for a := l.first; !l.last.Less(a) && len(dst) < most; a = a.Next() {
		have := l.address[a]
		if l.gives(a) && (have == nil || !now.Before(have.Until)) {
			dst = append(dst, a)
		}
	}
	return dst
}
