package receiver

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/protocol"
)

// conduct is how a machine answers.
type conduct int

const (
	honest conduct = iota
	wrongBytes
	hangs
	closesEarly
	liesAboutIt
)

// world is a room of planners: pure values that ask each other, in steps of time.
type world struct {
	*testing.T
	r      *rand.Rand
	blocks int
	mode   mode
	hosts  []*host
	sender *host // nil: none
	now    time.Time
	began  time.Time
}

// host is one machine of a world.
type host struct {
	at      netip.AddrPort
	conduct conduct
	has     *blockset.Set
	plan    planner
	flights []trip
	served  int // blocks
	asked   int // for blocks
	done    time.Time
	doubled int // blocks that came twice
}

type trip struct {
	request
	due time.Time
}

func newWorld(t *testing.T, seed uint64, machines, blocks int, m mode) *world {
	w := &world{T: t, r: rand.New(rand.NewPCG(seed, 4)), blocks: blocks, mode: m, now: time.Unix(1e9, 0)}
	w.began = w.now
	for i := range machines {
		h := &host{at: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 8000), has: blockset.New(blocks)}
		h.plan = newPlanner(rand.New(rand.NewPCG(seed, uint64(i))))
		w.hosts = append(w.hosts, h)
	}
	for _, h := range w.hosts {
		for _, o := range w.hosts {
			if o != h {
				h.plan.meet(origin{peerHTTP, o.at}, true)
			}
		}
	}
	return w
}

// withSender gives the room a sender that has all.
func (w *world) withSender(service service) {
	w.sender = &host{at: netip.MustParseAddrPort("10.9.9.9:80"), has: blockset.New(w.blocks)}
	w.sender.has.AddRange(0, w.blocks)
	for _, h := range w.hosts {
		h.plan.meet(origin{service, w.sender.at}, true)
		h.plan.rank, h.plan.of = slices.Index(w.hosts, h), len(w.hosts)
		for rank, o := range w.hosts {
			h.plan.seat(rank, origin{peerHTTP, o.at}, false)
		}
	}
}

// run lets time pass until all honest machines are done, at most for d.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(10 * time.Millisecond) {
		left := 0
		for _, h := range w.hosts {
			w.step(h)
			if h.done.IsZero() && h.conduct == honest {
				left++
			}
		}
		if left == 0 {
			return
		}
	}
}

func (w *world) step(h *host) {
	for i := 0; i < len(h.flights); i++ {
		if f := h.flights[i]; !f.due.After(w.now) {
			h.flights = slices.Delete(h.flights, i, i+1)
			i--
			w.land(h, f.request)
		}
	}
	if h.has.NextAbsent(0) == w.blocks {
		if h.done.IsZero() {
			h.done = w.now
		}
		return
	}
	frames := w.r.IntN(20)
	for _, r := range h.plan.plan(w.now, w.mode, lack{have: h.has, to: protocol.SBN(w.blocks), frames: frames}) {
		w.check(h, r)
		if r.wish == wantBlocks {
			if frames -= int(r.last-r.first) + 1; frames < 0 {
				w.Fatalf("%v asks for more than memory takes", h.at)
			}
		}
		due := w.now.Add(time.Duration(5+w.r.IntN(20)) * time.Millisecond)
		if o := w.at(r.at); o.conduct == hangs && r.wish == wantBlocks {
			due = w.now.Add(2 * time.Second)
		}
		h.flights = append(h.flights, trip{r, due})
	}
}

// check holds a request against the rules.
func (w *world) check(h *host, r request) {
	w.Helper()
	if r.wish != wantBlocks {
		return
	}
	atSender, atPeer := 0, 0
	for _, f := range h.flights {
		if f.wish == wantBlocks && f.service != peerHTTP {
			atSender++
		} else if f.wish == wantBlocks && f.origin == r.origin {
			atPeer++
		}
	}
	for b := r.first; b <= r.last; b++ {
		if h.has.Has(int(b)) {
			w.Fatalf("%v asks for block %d, which it has", h.at, b)
		}
		twice := 0
		for _, f := range h.flights {
			if f.wish == wantBlocks && f.first <= b && b <= f.last {
				if twice++; f.origin == r.origin {
					w.Fatalf("%v asks %v twice for block %d", h.at, r.at, b)
				}
			}
		}
		if twice > 1 {
			w.Fatalf("%v asks three machines for block %d", h.at, b)
		}
	}
	switch s := h.plan.sources[r.origin]; {
	case r.service == peerHTTP:
		if atPeer >= mostAtPeer || s.has == nil || !s.has.Has(int(r.first)) || s.banned || w.now.Before(s.until) {
			w.Fatalf("%v asks %v for block %d: %d under way, %+v", h.at, r.at, r.first, atPeer, s)
		}
	case w.mode != modeDeaf || atSender >= mostAtSender:
		w.Fatalf("%v asks the sender in mode %d, with %d requests under way", h.at, w.mode, atSender)
	case h.plan.holders(w.now, r.first) > 0:
		w.Fatalf("%v asks the sender for block %d, which a peer has", h.at, r.first)
	}
}

func (w *world) at(a netip.AddrPort) *host {
	for _, h := range w.hosts {
		if h.at == a {
			return h
		}
	}
	return w.sender
}

// land brings what a request led to.
func (w *world) land(h *host, r request) {
	o := w.at(r.at)
	if r.wish == wantHave {
		has := blockset.New(w.blocks)
		if has.AddAll(o.has); o.conduct == liesAboutIt {
			has.AddRange(0, w.blocks)
		}
		h.plan.done(w.now, r, 0, has)
		return
	}
	o.asked++
	did := map[conduct]lane.Did{hangs: lane.Hung, closesEarly: lane.Closed, liesAboutIt: lane.Lacks}[o.conduct]
	h.plan.done(w.now, r, did, nil)
	if did != 0 {
		return
	}
	if o.conduct == wrongBytes {
		h.plan.wrong(r.origin)
		return
	}
	for b := r.first; b <= r.last; b++ {
		if !o.has.Has(int(b)) {
			w.Fatalf("%v was asked for block %d, which it never said to have", o.at, b)
		}
		if h.has.Has(int(b)) {
			h.doubled++
		}
		h.has.Add(int(b))
		h.plan.right(r.origin)
		o.served++
	}
}

func (w *world) allDone() {
	w.Helper()
	for _, h := range w.hosts {
		if h.conduct == honest && h.done.IsZero() {
			w.Errorf("%v lacks %d of %d blocks", h.at, w.blocks-h.has.Count(), w.blocks)
		}
	}
}
