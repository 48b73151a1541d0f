package sender

import (
	"hash/maphash"
	"net/netip"
	"time"
)

// allowance bounds how often something is done, in the mean and in a row. The
// zero value is a full one.
type allowance struct {
	next time.Time // when the one after all that were taken may be
}

// take reports whether it may be done once more: every so often, and so many
// times at once after a rest.
func (a *allowance) take(now time.Time, each time.Duration, atOnce int) bool {
	if earliest := now.Add(-time.Duration(atOnce-1) * each); a.next.Before(earliest) {
		a.next = earliest
	}
	if a.next.After(now) {
		return false
	}
	a.next = a.next.Add(each)
	return true
}

// spares reports whether it may be done n times at once now, of an allowance that
// lets it be done as often at least after a rest.
func (a *allowance) spares(now time.Time, each time.Duration, n int) bool {
	return !a.next.After(now.Add(-time.Duration(n-1) * each))
}

// shares are the allowances of addresses, so that no flood from one of them fills
// a queue that all share. Some addresses have one together, and nobody can tell
// which.
type shares struct {
	seed maphash.Seed
	of   []allowance
}

func newShares(n int) *shares { return &shares{maphash.MakeSeed(), make([]allowance, n)} }

func (s *shares) take(from netip.Addr, now time.Time, each time.Duration, atOnce int) bool {
	return s.of[maphash.Comparable(s.seed, from)%uint64(len(s.of))].take(now, each, atOnce)
}
