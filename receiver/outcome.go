package receiver

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/protocol"
)

// Dropped is a machine that blocks are not, or not always, fetched from.
type Dropped struct {
	Peer    netip.AddrPort
	Reason  string // what it did, at the end of "10.0.0.1:8080 "
	ForEver bool   // never asked again in this session
}

// launch takes note that blocks were asked for.
func (p *planner) launch(now time.Time, r request) {
	p.fetches++
	p.sources[r.origin].begin(now)
	for b := r.first; b <= r.last; b++ {
		f := p.underway[b]
		p.underway[b] = flight{from: r.origin, before: f.from, since: now, n: f.n + 1}
	}
}

// aborted says that a request ended for a reason of our own.
const aborted lane.Did = 255

// done takes note of how a request ended; did is 0 if it went well. has is the
// answer to wantHave.
func (p *planner) done(now time.Time, r request, did lane.Did, has *blockset.Set) {
	s := p.sources[r.origin]
	switch r.wish {
	case wantManifest:
		p.manifest = false
		s.end(now)
	case wantHave:
		s.asking = false
		p.asking--
	case wantBlocks:
		p.fetches--
		s.end(now)
		for b := r.first; b <= r.last; b++ {
			if f := p.underway[b]; f.n > 1 {
				if f.n--; f.from == r.origin {
					f.from = f.before
				}
				p.underway[b] = f
			} else {
				delete(p.underway, b)
			}
		}
	}
	switch did {
	case aborted:
		s.until = now.Add(busyWait) // what we could not do now we can't do at once
	case 0:
		if r.wish == wantHave {
			if s.told = true; s.has == nil {
				s.toldAt = now
			}
			s.has = has
		} else {
			s.answered()
		}
	default:
		if did != lane.Busy {
			s.has, s.told = nil, false
		}
		p.spent = time.Time{} // its part may be ours
		if why := s.failed(now, r.wish, did); why != "" {
			p.blame(s, why)
		}
	}
}

// right takes note that a machine gave a block that has its digest.
func (p *planner) right(o origin) {
	if s := p.sources[o]; s != nil {
		s.proven = true
	}
}

// wrong bans a machine that gave bytes that are not the image's.
func (p *planner) wrong(o origin) {
	if s := p.sources[o]; s != nil {
		s.banned, s.has = true, nil
		p.spent = time.Time{}
		p.blame(s, "serves wrong bytes")
	}
}

// unanswered names the peers that owe an answer when nothing is lacking any more.
func (p *planner) unanswered(now time.Time) {
	for _, s := range p.order {
		if s.service == peerHTTP && s.running > 0 && now.Sub(s.heardAt) >= impatience {
			p.blame(s, tardy)
		}
	}
}

// blame names a machine and the latest that it did; what banned it stays.
func (p *planner) blame(s *source, why string) {
	d := Dropped{s.at, why, s.banned}
	i := slices.IndexFunc(p.dropped, func(d Dropped) bool { return d.Peer == s.at })
	if i < 0 && len(p.dropped) < protocol.MaxReceivers {
		p.dropped = append(p.dropped, d)
	} else if i >= 0 && !p.dropped[i].ForEver {
		p.dropped[i] = d
	}
}

// union returns how many blocks are neither in have nor on any peer that
// answers, and how many peers answer.
func (p *planner) union(now time.Time, have *blockset.Set) (missing, peers int) {
	all := blockset.New(have.Len())
	all.AddAll(have)
	for _, s := range p.order {
		if s.banned || s.left {
			continue
		}
		if s.service == peerHTTP && s.told {
			peers++
		}
		if s.has != nil {
			all.AddAll(s.has)
		}
	}
	return have.Len() - all.Count(), peers
}
