package diagnosis

import (
	"cmp"
	"slices"

	"github.com/pxecast/pxecast/protocol"
)

// Losses holds what receivers said of their latest gaps, to tell what all of
// them lost from what one alone did, and whether it comes in a rhythm. The zero
// value is empty.
type Losses struct {
	tracks map[protocol.Number]*track
}

// track is what is known of one receiver's gaps.
type track struct {
	gaps    []protocol.Gap // ascending
	covered []span         // ascending, apart: there, what is in no gap was received
	asOf    protocol.Seq
	count   uint32 // of gaps, by the receiver's own count
}

// span is the sequence numbers from..to.
type span struct{ from, to protocol.Seq }

// mostGaps bounds the gaps kept of one receiver, the latest ones: 64 KiB.
const mostGaps = 4096

// Add takes over a report of a bench session.
func (l *Losses) Add(r *protocol.Report) {
	if l.tracks == nil {
		l.tracks = map[protocol.Number]*track{}
	}
	t := l.tracks[r.Number]
	if t == nil {
		// Before its first datagram it lost nothing.
		n := r.Counters
		seen := protocol.Seq(n.Received + n.Lost + n.Overflow)
		t = &track{asOf: r.AsOf - min(r.AsOf, seen)}
		l.tracks[r.Number] = t
	}
	if r.AsOf <= t.asOf {
		return
	}
	fresh := 0
	for fresh < len(r.Recent) && r.Recent[fresh].First > t.asOf {
		fresh++
	}
	from := t.asOf + 1
	if more := int64(r.Counters.Gaps) - int64(t.count); more > int64(fresh) {
		// Not all of them had room. Of what lies before the list nothing is known.
		if fresh == 0 {
			from = r.AsOf + 1
		} else {
			from = r.Recent[fresh-1].First
		}
	}
	for i := fresh - 1; i >= 0; i-- {
		t.gaps = append(t.gaps, r.Recent[i])
	}
	t.cover(span{from, r.AsOf})
	t.asOf, t.count = r.AsOf, r.Counters.Gaps
	t.trim()
}

func (t *track) cover(s span) {
	if s.from > s.to {
		return
	}
	if n := len(t.covered); n > 0 && t.covered[n-1].to+1 == s.from {
		t.covered[n-1].to = s.to
		return
	}
	t.covered = append(t.covered, s)
}

// trim forgets the oldest gaps, and that anything is known of their time.
func (t *track) trim() {
	if len(t.gaps) <= mostGaps {
		return
	}
	n := mostGaps / 4
	before := t.gaps[n-1].Last()
	t.gaps = slices.Delete(t.gaps, 0, n)
	for len(t.covered) > 0 && t.covered[0].to <= before {
		t.covered = t.covered[1:]
	}
	if len(t.covered) > 0 {
		t.covered[0].from = max(t.covered[0].from, before+1)
	}
}

// Shared says how much of what a receiver lost others lost too.
type Shared struct {
	Judged uint64 // datagrams it lost of which it is known how others fared
	Common uint64 // of those, lost by three quarters of the others or more
}

// Shared returns that for every receiver.
func (l *Losses) Shared() map[protocol.Number]Shared {
	out := make(map[protocol.Number]Shared, len(l.tracks))
	var lost []protocol.Number // at the moment
	known, at := 0, protocol.Seq(0)
	for _, e := range l.edges() {
		if known >= 2 {
			common := 4*(len(lost)-1) >= 3*(known-1)
			for _, n := range lost {
				s := out[n]
				s.Judged += uint64(e.at - at)
				if common {
					s.Common += uint64(e.at - at)
				}
				out[n] = s
			}
		}
		at = e.at
		switch {
		case !e.gap:
			known += e.step
		case e.step > 0:
			lost = append(lost, e.of)
		default:
			i := slices.Index(lost, e.of)
			lost = slices.Delete(lost, i, i+1)
		}
	}
	return out
}

// edge is where a gap or a covered span of a receiver begins (step 1) or has
// ended (-1).
type edge struct {
	at   protocol.Seq
	of   protocol.Number
	gap  bool
	step int
}

func (l *Losses) edges() (all []edge) {
	for n, t := range l.tracks {
		for _, s := range t.covered {
			all = append(all, edge{s.from, n, false, 1}, edge{s.to + 1, n, false, -1})
		}
		for _, g := range t.gaps {
			all = append(all, edge{g.First, n, true, 1}, edge{g.Last() + 1, n, true, -1})
		}
	}
	// Of one place, the ends first: a gap may follow another of late datagrams.
	slices.SortFunc(all, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.step, b.step), cmp.Compare(a.of, b.of))
	})
	return all
}

const (
	leastDistances = 12  // between gaps, to speak of a rhythm
	rhythmShare    = 0.7 // of them must be near the median
	rhythmNear     = 0.2 // of the median
)

// Period returns how many datagrams lie between the beginnings of a receiver's
// gaps, if that is about the same most of the time, else 0.
func (l *Losses) Period(n protocol.Number) float64 {
	t := l.tracks[n]
	if t == nil {
		return 0
	}
	var distances []float64
	covered := t.covered
	for i := 1; i < len(t.gaps); i++ {
		a, b := t.gaps[i-1].First, t.gaps[i].First
		for len(covered) > 0 && covered[0].to < b {
			covered = covered[1:]
		}
		if len(covered) > 0 && covered[0].from <= a {
			distances = append(distances, float64(b-a))
		}
	}
	if len(distances) < leastDistances {
		return 0
	}
	slices.Sort(distances)
	median, near := distances[len(distances)/2], 0
	for _, d := range distances {
		if d >= median*(1-rhythmNear) && d <= median*(1+rhythmNear) {
			near++
		}
	}
	if float64(near) < rhythmShare*float64(len(distances)) {
		return 0
	}
	return median
}
