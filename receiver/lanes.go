package receiver

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/protocol"
)

// wish is what a request asks for.
type wish uint8

const (
	wantManifest wish = iota
	wantHave          // which blocks a peer has
	wantBlocks
)

// request is one thing to be asked of one machine.
type request struct {
	origin
	wish        wish
	first, last protocol.SBN // of wantBlocks, both included; more than one by TFTP only
}

// lack is what a receiver lacks, and what it has room for.
type lack struct {
	manifest bool          // lacks that, and does not know yet what else
	have     *blockset.Set // held, on their way to the disk, or zero
	to       protocol.SBN  // blocks from here on are not to be fetched
	frames   int           // that memory takes
}

// mode says by which lanes blocks come.
type mode uint8

const (
	modeMulticast mode = iota // and by no other
	modeDeaf                  // multicast does not reach us: peers, then the sender
	modeOrphan                // the sender is silent: peers
)

const (
	// mostFetches is how many requests for blocks run at once: with frames of
	// 130 KB and a round trip of a millisecond, four fill 1 Gb/s.
	mostFetches  = 8
	mostAtPeer   = 2
	mostAtSender = 4 // the whole room may be asking it

	// askEach is how often a peer is asked what it has, mostAsking how many are
	// asked at once, one of which only if it gave blocks, and mostSources of how
	// many it is kept: half a megabyte for each at 1 TB. Who could ask for more
	// blocks and knows of none asks oftener, every hastyEach for each peer, if the
	// image is not too large for that: in a small room of deaf machines all wait for
	// what the others have just fetched.
	askEach     = 500 * time.Millisecond
	hastyEach   = askEach / 32
	hastyBlocks = 1 << 16 // 8 KB for each answer
	mostAsking  = 4
	mostSources = 64

	// draws is among how many blocks the rarest is taken: looking at all of them
	// would take too long.
	draws = 8

	// atOnce is how many blocks one request by TFTP asks for.
	atOnce = 16

	// grace is how long the peers have for what it does not fall to us to ask the
	// sender for: they may be about to have it, by multicast or from the sender.
	grace = 2 * askEach

	// impatience is for how long a block may be on its way before another
	// machine is asked for it too, when there is nothing else to ask for.
	impatience = 500 * time.Millisecond
)

// planner decides which machine is asked for what. It is a value without
// sockets or clock; one goroutine owns it.
type planner struct {
	random   *rand.Rand
	sources  map[origin]*source
	order    []*source      // the same ones, as they came
	turns    [standings]int // of order, who was asked last what it has
	underway map[protocol.SBN]flight
	fetches  int       // requests for blocks under way
	asking   int       // for what peers have
	manifest bool      // is under way
	rank, of int       // our place among the machines of the room; of 0: not known
	seats    []seat    // of the others, by rank, as far as rosters told
	shares   shares    // of what only the sender has
	spent    time.Time // when nothing was left to ask the sender for that it falls to us to ask
	fed      time.Time // when there last was something to ask for without patience
	hungry   bool      // there was nothing more to ask for the last time, though there was room
	dropped  []Dropped
}

// flight is a block that was asked for.
type flight struct {
	from   origin // the latest
	before origin // the other one, of two
	since  time.Time
	n      int // requests for it under way
}

func newPlanner(r *rand.Rand) planner {
	return planner{random: r, sources: map[origin]*source{}, underway: map[protocol.SBN]flight{}}
}

// meet takes note of a machine; ready says that it has the manifest.
func (p *planner) meet(o origin, ready bool) {
	s := p.sources[o]
	if s == nil {
		s = &source{origin: o}
		if o.service != peerHTTP || len(p.order) < protocol.MaxReceivers {
			p.order = append(p.order, s)
		} else if !p.replace(s) {
			return
		}
		p.sources[o] = s
	}
	s.ready, s.left = s.ready || ready, false
}

// part has an origin not asked any more.
func (p *planner) part(o origin) {
	if s := p.sources[o]; s != nil {
		s.left = true
	}
}

// leave forgets the addresses of a sender, and the places of its room.
func (p *planner) leave() {
	p.seats = nil
	for _, s := range p.order {
		s.left = s.left || s.service != peerHTTP
	}
}

// plan returns the requests to be made now. Each must be reported by done.
func (p *planner) plan(now time.Time, m mode, l lack) (all []request) {
	switch {
	case m == modeMulticast:
		return nil
	case l.manifest:
		if r, ok := p.wantManifest(now, m); ok {
			return []request{r}
		}
		return nil
	}
	all = p.ask(now, m, p.pause(l))
	p.hungry = false
	for frames := l.frames; p.fetches < mostFetches; {
		r, ok := p.next(now, m, l, min(frames, atOnce))
		if !ok {
			p.hungry = frames > 0
			break
		}
		p.launch(now, r)
		frames -= int(r.last-r.first) + 1
		all = append(all, r)
	}
	return all
}

// allowed reports whether a source may be used in a mode at all.
func (s *source) allowed(now time.Time, m mode) bool {
	return s.usable(now) && (s.service == peerHTTP || m == modeDeaf)
}

// wantManifest asks one machine at a time, the sender last.
func (p *planner) wantManifest(now time.Time, m mode) (request, bool) {
	var best *source
	drawn := 0
	for _, s := range p.order {
		if p.manifest || !s.allowed(now, m) || s.service == peerHTTP && !s.ready && m != modeOrphan {
			continue
		}
		switch {
		case best == nil || s.service < best.service:
			best, drawn = s, 1
		case s.service == best.service:
			if drawn++; p.random.IntN(drawn) == 0 {
				best = s
			}
		}
	}
	if best == nil {
		return request{}, false
	}
	p.manifest = true
	best.begin(now)
	return request{origin: best.origin, wish: wantManifest}, true
}

// pause returns how often a peer is to be asked what it has.
func (p *planner) pause(l lack) time.Duration {
	if !p.hungry || l.have.Len() > hastyBlocks {
		return askEach
	}
	return min(askEach, max(askEach/4, time.Duration(len(p.order))*hastyEach))
}

// ask returns questions for what peers have, of each standing in turn. Those that
// have given something are never kept waiting by the others.
func (p *planner) ask(now time.Time, m mode, each time.Duration) (all []request) {
	known := 0
	for _, s := range p.order {
		if s.has != nil {
			known++
		}
	}
	for who := range standings {
		most := mostAsking - 1
		if who == reliable {
			most = mostAsking
		}
		for range p.order {
			if p.asking >= most {
				break
			}
			at := (p.turns[who] + 1) % len(p.order)
			if s := p.order[at]; s.standing() == who && s.due(now, m, each) {
				if who == stranger && known >= mostSources && !p.forget(now) {
					break
				}
				if s.has == nil {
					known++
				}
				s.asking, s.asked = true, now
				p.asking++
				all = append(all, request{origin: s.origin, wish: wantHave})
			}
			p.turns[who] = at
		}
	}
	return all
}

// next returns one request for blocks, for at most that many frames.
func (p *planner) next(now time.Time, m mode, l lack, frames int) (request, bool) {
	if frames <= 0 {
		return request{}, false
	}
	var free []*source
	for _, s := range p.order {
		if s.service == peerHTTP && s.has != nil && s.usable(now) && s.running < s.most() {
			free = append(free, s)
		}
	}
	p.random.Shuffle(len(free), func(i, j int) { free[i], free[j] = free[j], free[i] })
	slices.SortStableFunc(free, func(a, b *source) int { return cmp.Compare(a.running, b.running) })
	for _, s := range free {
		if b, ok := p.rarest(now, s, l); ok {
			p.fed = now
			return request{origin: s.origin, wish: wantBlocks, first: b, last: b}, true
		}
	}
	if m == modeDeaf {
		if r, ok := p.fromSender(now, l, frames); ok {
			return r, true
		}
	}
	for _, s := range free {
		if b, ok := p.late(now, s, l); ok {
			return request{origin: s.origin, wish: wantBlocks, first: b, last: b}, true
		}
	}
	return request{}, false
}

// rarest draws blocks that a peer has and we lack and returns the one that the
// fewest peers have.
func (p *planner) rarest(now time.Time, s *source, l lack) (best protocol.SBN, ok bool) {
	least := 0
	for range draws {
		b, found := p.draw(now, s, int(l.to), func(i int) int { return s.has.NextOutside(i, l.have) })
		if !found {
			break
		}
		if n := p.holders(now, b); !ok || n < least {
			best, least, ok = b, n, true
		}
	}
	if !ok && s.has.NextOutside(0, l.have) >= int(l.to) && int(l.to) == l.have.Len() {
		s.has = nil // until it is asked again
	}
	return best, ok
}

// draw returns a block below to that s can be asked for, the first one of those
// that next steps through from a place drawn at random.
func (p *planner) draw(now time.Time, s *source, to int, next func(i int) int) (protocol.SBN, bool) {
	if to <= 0 {
		return 0, false
	}
	from := p.random.IntN(to)
	for i := next(from); i < to; i = next(i + 1) {
		if p.open(now, s, protocol.SBN(i)) {
			return protocol.SBN(i), true
		}
	}
	for i := next(0); i < from; i = next(i + 1) {
		if p.open(now, s, protocol.SBN(i)) {
			return protocol.SBN(i), true
		}
	}
	return 0, false
}

// open reports whether a block is not under way, or only from a peer that can't be
// relied upon and is not s.
func (p *planner) open(now time.Time, s *source, b protocol.SBN) bool {
	f := p.underway[b]
	return f.n == 0 || f.n == 1 && f.from.service == peerHTTP && f.from != s.origin && p.sources[f.from].doubtful(now)
}

// holders returns how many peers have a block and can be asked and relied upon.
func (p *planner) holders(now time.Time, b protocol.SBN) int {
	n := 0
	for _, s := range p.order {
		if s.has != nil && s.has.Has(int(b)) && s.usable(now) && !s.doubtful(now) {
			n++
		}
	}
	return n
}

// fromSender returns a request to the sender for what no peer has: by HTTP, or
// by TFTP where that fails.
func (p *planner) fromSender(now time.Time, l lack, frames int) (request, bool) {
	var s *source
	for _, c := range p.order {
		if c.service != peerHTTP && c.usable(now) && (s == nil || c.service < s.service) {
			s = c
		}
	}
	if s == nil || s.running >= s.most() {
		return request{}, false
	}
	b, ok := p.mine(now, s, l)
	if !ok && (p.of == 0 || now.Sub(p.fed) >= grace) {
		b, ok = p.orphaned(now, s, l, l.have.NextAbsent)
		if !ok && now.Sub(p.fed) >= grace { // peers that list all and hardly give any
			b, ok = p.draw(now, s, int(l.to), l.have.NextAbsent)
		}
	}
	if !ok {
		return request{}, false
	}
	r := request{origin: s.origin, wish: wantBlocks, first: b, last: b}
	for s.service == senderTFTP && int(r.last-r.first)+1 < frames && r.last+1 < l.to &&
		!l.have.Has(int(r.last+1)) && p.underway[r.last+1].n == 0 && p.holders(now, r.last+1) == 0 {
		r.last++
	}
	return r, true
}

// mine draws a block that no peer has and that it falls to us to ask the sender
// for. When there is none it is not looked for again at once: that takes a while.
func (p *planner) mine(now time.Time, s *source, l lack) (b protocol.SBN, ok bool) {
	if now.Sub(p.spent) < askEach/2 || p.of == 0 {
		return 0, false
	}
	p.share(now)
	next := func(i int) int { return p.shares.next(p.rank, i, l.have, int(l.to)) }
	if b, ok = p.orphaned(now, s, l, next); ok {
		p.fed = now
	} else {
		p.spent = now
	}
	return b, ok
}

// orphaned draws a block that no peer has.
func (p *planner) orphaned(now time.Time, s *source, l lack, next func(i int) int) (protocol.SBN, bool) {
	for range draws {
		b, ok := p.draw(now, s, int(l.to), next)
		if !ok {
			break
		}
		if p.holders(now, b) == 0 {
			return b, true
		}
	}
	return 0, false
}

// late returns a block of a peer's that another machine does not bring.
func (p *planner) late(now time.Time, s *source, l lack) (protocol.SBN, bool) {
	best, since := protocol.SBN(0), now.Add(-impatience)
	ok := false
	for b, f := range p.underway {
		if f.n == 1 && f.from != s.origin && s.has != nil && s.has.Has(int(b)) && !l.have.Has(int(b)) &&
			(f.since.Before(since) || ok && f.since.Equal(since) && b < best) {
			best, since, ok = b, f.since, true
		}
	}
	return best, ok
}
