package querier

import (
	"fmt"
	"net/netip"
	"time"
)

// Timing is what a querier tells all others in its queries (RFC 3376 §8). The
// zero value stands for the RFC's own.
type Timing struct {
	Robustness int           // queries that may be lost in a row plus one, 1 to 7; default 2 (§8.1)
	Interval   time.Duration // between general queries, in whole seconds up to 31744; default 125 s (§8.2)
	Response   time.Duration // hosts spread their answers over it, in tenths of a second, below Interval; default 10 s (§8.3)
}

func (t Timing) validate() (Timing, error) {
	if t == (Timing{}) {
		t = Timing{Robustness: 2, Interval: 125 * time.Second, Response: 10 * time.Second}
	}
	switch {
	case t.Robustness < 1 || t.Robustness > maxRobustness:
		return t, fmt.Errorf("robustness %d: want 1 to %d", t.Robustness, maxRobustness)
	case t.Interval < intervalUnit || t.Interval > maxCode*intervalUnit:
		return t, fmt.Errorf("query interval %v: want 1 s to %d s", t.Interval, maxCode)
	case t.Response < responseUnit || t.Response >= t.Interval || t.Response > maxCode*responseUnit:
		return t, fmt.Errorf("query response interval %v: want 0.1 s to less than the interval of %v", t.Response, t.Interval)
	}
	return t, nil
}

// Mode says when a querier asks.
type Mode uint8

const (
	// Auto asks where nobody else does: it stays silent as long as any querier
	// is heard, even a switch that asks without an address. It asks a few times
	// and then is silent for longer than a querier of a higher address leaves
	// the asking to us; only if none took it back by then does it go on, and
	// takes part in the election.
	Auto Mode = iota
	// On asks at once and takes part in the election.
	On
)

// Role is what a querier does at the moment.
type Role uint8

// Roles.
const (
	Listening Role = iota // for others, before it asks for the first time
	Asking                // it is the querier
	Silent                // another one is
)

const (
	// listenFor is how long Auto listens. Queriers ask every two minutes or so:
	// more often than not it hears nothing, and asks; machines that a switch forgot
	// hear nothing of us before. What it must not miss is one that has just begun.
	listenFor = 2 * time.Second

	// Auto's silence after its first questions is longer by grace than that of a
	// querier that we outdid; and another Auto's, which comes back only if we
	// don't, by reserve.
	grace   = time.Second
	reserve = 2 * time.Second

	// urgent is the time to answer the first query after a silence, in which the
	// switches' memory has nearly run out: 260 s, RFC 3376 §8.4.
	urgent = time.Second

	// Queries of others silence us for as long as they say, within reason: a
	// single forged datagram could otherwise say 62 hours.
	minPresence = time.Second
	maxPresence = 255 * time.Second
)

// election decides who asks (RFC 3376 §6.6.2): of several queriers the one with
// the lowest address. It is a pure value.
type election struct {
	own    netip.Addr
	mode   Mode
	timing Timing

	role    Role
	asked   bool
	alone   bool       // nobody else asks: our own silence has shown it, or we don't care
	urgent  bool       // our latest query was the first after a silence
	startup int        // queries that still follow each other faster (§8.6, §8.7)
	other   netip.Addr // who asks while we are silent
	next    time.Time  // our next query, unless somebody else's is heard before
}

func newElection(own netip.Addr, mode Mode, timing Timing, now time.Time) election {
	e := election{own: own, mode: mode, timing: timing, alone: mode == On, startup: timing.Robustness, next: now}
	if mode == Auto {
		e.next = now.Add(listenFor)
	}
	return e
}

// hear takes a query that came from an address, perhaps our own.
func (e *election) hear(now time.Time, from netip.Addr, q Query) {
	if e.yields(from) {
		e.role, e.other = Silent, from
		e.next = now.Add(e.presence(q))
		if e.mode == Auto {
			e.next = e.next.Add(reserve)
			e.alone, e.startup = false, e.timing.Robustness
		}
	}
}

// yields reports whether a querier at from is one to leave the asking to.
func (e *election) yields(from netip.Addr) bool {
	switch {
	case from == e.own:
		// Our own query comes back to us. Before we asked it is another program's
		// on this machine.
		return e.mode == Auto && !e.asked
	case !e.alone:
		return true
	case from.IsUnspecified():
		// A switch that asks in nobody's name takes no part in elections (RFC 4541
		// §2.1.1). Yielding to it could silence both, as many stop when they hear
		// a querier.
		return false
	}
	return from.Less(e.own)
}

// presence returns how long the sender of q is believed to be there: the Other
// Querier Present Interval (RFC 3376 §8.5), with the values that q tells.
func (e *election) presence(q Query) time.Duration {
	robustness, interval := e.timing.Robustness, e.timing.Interval
	if q.Robustness > 0 {
		robustness = q.Robustness
	}
	if q.Interval > 0 {
		interval = q.Interval
	}
	return min(max(time.Duration(robustness)*interval+q.Response/2, minPresence), maxPresence)
}

// due reports whether to send a query now, and counts it as sent.
func (e *election) due(now time.Time) bool {
	if now.Before(e.next) {
		return false
	}
	e.urgent = e.role == Silent
	if !e.alone && e.startup == 0 { // we were silent, and so was everybody
		e.alone, e.urgent, e.startup = true, true, e.timing.Robustness
	}
	e.role, e.asked, e.other = Asking, true, netip.Addr{}
	if e.startup > 0 {
		e.startup--
	}
	each := e.timing.Interval
	switch {
	case e.startup > 0:
		each /= 4
	case !e.alone:
		each = e.presence(Query{Response: e.timing.Response}) + grace
	}
	e.next = now.Add(each)
	return true
}
