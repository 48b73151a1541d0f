package receiver

import (
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
)

// seat is what rosters told of one machine of the room.
type seat struct {
	origin        // where it can be asked, if anywhere
	known, absent bool
}

// seat takes note of the machine of a rank, which is below of.
func (p *planner) seat(rank int, o origin, absent bool) {
	if len(p.seats) != p.of {
		p.seats = append(make([]seat, 0, p.of), p.seats[:min(len(p.seats), p.of)]...)[:p.of]
	}
	p.seats[rank] = seat{o, true, absent}
}

// gone reports whether nothing can be had from the machine of a rank: it has left,
// we have no way to ask it, or it can't be relied upon.
func (p *planner) gone(now time.Time, rank int) bool {
	if rank == p.rank || rank >= len(p.seats) || !p.seats[rank].known {
		return false
	}
	t := &p.seats[rank]
	s := p.sources[t.origin]
	return t.absent || s == nil || s.doubtful(now)
}

// shares says whose turn it is to fetch a part of the image from the sender. If all
// machines of a room are deaf, each fetches another part first and has the rest
// from the others. The parts of those that nothing can be had from are shared out
// among the others, by a rule that needs no word between them: who sees the
// same machines gone comes to the same shares, and the parts of all others stay
// where they are.
type shares struct {
	gone []bool
	here []int // the ranks that are not
}

// share looks who is here.
func (p *planner) share(now time.Time) {
	v := &p.shares
	v.gone, v.here = v.gone[:0], v.here[:0]
	for rank := range p.of {
		gone := p.gone(now, rank)
		if v.gone = append(v.gone, gone); !gone {
			v.here = append(v.here, rank)
		}
	}
}

// mostHeirs is how many machines are drawn as heirs of a part before one is taken
// of those that are here: then all shares depend on who that is.
const mostHeirs = 8

// of returns whose turn a part is.
func (v *shares) of(part int) int {
	rank := part % len(v.gone)
	for heir := range mostHeirs {
		if !v.gone[rank] {
			return rank
		}
		rank = int(scatter(uint64(part)*mostHeirs+uint64(heir)) % uint64(len(v.gone)))
	}
	return v.here[int(scatter(uint64(part))%uint64(len(v.here)))]
}

// scatter is the finalizer of splitmix64: neighbours come out far apart.
func scatter(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// next returns the first block from i on, below to, that is lacking and in a part
// that is the turn of rank, or have.Len().
func (v *shares) next(rank, i int, have *blockset.Set, to int) int {
	for i < to {
		if i = have.NextAbsent(i); i < to && v.of(i/atOnce) == rank {
			return i
		}
		i = (i/atOnce + 1) * atOnce
	}
	return have.Len()
}
