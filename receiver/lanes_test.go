package receiver

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/protocol"
)

// By which lanes blocks come.
func TestModes(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		signs
		want mode
	}{
		"all is well":                     {signs{lacking: true, admitted: true}, modeMulticast},
		"nothing is lacking":              {signs{admitted: true, silent: 9 * s, symbol: 9 * s, cut: true}, modeMulticast},
		"no symbol though some were sent": {signs{lacking: true, admitted: true, symbol: deafAfter, cut: true}, modeDeaf},
		"no symbol, and none was sent":    {signs{lacking: true, admitted: true, symbol: 99 * s}, modeMulticast},
		"no symbol for a moment":          {signs{lacking: true, admitted: true, symbol: 2 * s, cut: true}, modeMulticast},
		"not admitted":                    {signs{lacking: true, symbol: 9 * s, cut: true}, modeMulticast},
		"deaf, and little is sent":        {signs{mode: modeDeaf, lacking: true, admitted: true, symbol: 60 * s}, modeDeaf},
		"deaf, and a symbol came":         {signs{mode: modeDeaf, lacking: true, admitted: true, back: true}, modeMulticast},
		"deaf, and has all":               {signs{mode: modeDeaf, admitted: true, symbol: 60 * s, cut: true}, modeMulticast},
		"deaf, and the sender dies":       {signs{mode: modeDeaf, lacking: true, admitted: true, symbol: 60 * s, silent: 3 * s}, modeOrphan},
		"the sender is silent":            {signs{lacking: true, admitted: true, silent: 3 * s, symbol: 3 * s}, modeOrphan},
		"silent before it admitted us":    {signs{lacking: true, silent: 3 * s}, modeOrphan},
		"silent for a moment":             {signs{lacking: true, admitted: true, silent: 2 * s}, modeMulticast},
		"the sender is back":              {signs{mode: modeOrphan, lacking: true, admitted: true, symbol: s}, modeMulticast},
		"it is back, but not its data":    {signs{mode: modeOrphan, lacking: true, admitted: true, symbol: 9 * s, cut: true}, modeDeaf},
	} {
		if got := c.next(); got != c.want {
			t.Errorf("%s: mode %d, want %d", name, got, c.want)
		}
	}
}

// What people are told for what does and does not arrive.
func TestCauses(t *testing.T) {
	for _, c := range []struct {
		traces
		want, never string
	}{
		{traces{short: true, announced: true}, "MTU", "snooping"},
		{traces{announced: true}, "snooping without a querier", "MTU"},
		{traces{announced: true, before: true}, "has forgotten this machine", "MTU"},
		{traces{}, "firewall here", "querier"},
		{traces{before: true}, "querier", "announcements"},
		{traces{remote: true}, "routers", "querier"},
		{traces{remote: true, announced: true}, "snooping", "routers"},
	} {
		got := c.cause()
		if !strings.Contains(got, c.want) || strings.Contains(got, c.never) {
			t.Errorf("%+v: %q, want %q and not %q", c.traces, got, c.want, c.never)
		}
	}
}

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
	tftp   bool  // is the only way to it
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

// TestOrphansShareWhatTheyHave: each has a random third, all together have all.
func TestOrphansShareWhatTheyHave(t *testing.T) {
	for seed := range uint64(20) {
		w := newWorld(t, seed, 2+int(seed)%7, 700, modeOrphan)
		for b := range w.blocks {
			w.hosts[w.r.IntN(len(w.hosts))].has.Add(b)
			for _, h := range w.hosts {
				if w.r.IntN(3) == 0 {
					h.has.Add(b)
				}
			}
		}
		w.run(time.Minute)
		w.allDone()
	}
}

// TestOrphansThatLackABlock: the count of what nobody has is right.
func TestOrphansThatLackABlock(t *testing.T) {
	w := newWorld(t, 1, 4, 500, modeOrphan)
	for b := range w.blocks - 3 {
		w.hosts[b%4].has.Add(b)
	}
	w.run(20 * time.Second)
	for _, h := range w.hosts {
		if missing, peers := h.plan.union(w.now, h.has); missing != 3 || peers != 3 || h.has.Count() != 497 {
			t.Errorf("%v has %d blocks, counts %d on no machine, and %d peers; want 497, 3 and 3", h.at, h.has.Count(), missing, peers)
		}
	}
}

// TestEmptyRoomFetchesDifferentBlocks: eight machines that hear nothing ask the
// sender for each block little more than once.
func TestEmptyRoomFetchesDifferentBlocks(t *testing.T) {
	for _, s := range []service{senderHTTP, senderTFTP} {
		w := newWorld(t, 1, 8, 2000, modeDeaf)
		w.withSender(s)
		w.run(5 * time.Minute)
		w.allDone()
		part := float64(w.sender.served) / float64(w.blocks)
		t.Logf("service %d: the sender served %.2f × the image in %v", s, part, w.now.Sub(w.began))
		if part > 1.5 {
			t.Errorf("service %d: the sender served %.2f × the image, want ≤ 1.5", s, part)
		}
	}
}

// TestLoadSpreadsEvenly: one machine lacks all, eight others have all.
func TestLoadSpreadsEvenly(t *testing.T) {
	w := newWorld(t, 1, 9, 4000, modeDeaf)
	w.withSender(senderHTTP)
	for _, h := range w.hosts[1:] {
		h.has.AddRange(0, w.blocks)
	}
	w.run(time.Minute)
	w.allDone()
	for _, h := range w.hosts[1:] {
		if h.served < 400 || h.served > 600 {
			t.Errorf("%v served %d blocks of 4000, want some 500", h.at, h.served)
		}
	}
	if w.sender.served > mostAtSender || w.hosts[0].doubled > 0 {
		t.Errorf("the sender served %d blocks, %d came twice", w.sender.served, w.hosts[0].doubled)
	}
}

// TestCulprits: of six peers one misbehaves. It is named, and costs little time.
func TestCulprits(t *testing.T) {
	took := map[conduct]time.Duration{}
	for c, want := range map[conduct]string{
		honest: "", wrongBytes: "wrong bytes", hangs: "in time", closesEarly: "closes", liesAboutIt: "lists blocks",
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			w := newWorld(t, 3, 7, 3000, modeOrphan)
			for _, h := range w.hosts[1:] {
				h.has.AddRange(0, w.blocks)
			}
			if bad := w.hosts[3]; c != honest {
				if bad.conduct = c; c == liesAboutIt {
					bad.has.RemoveRange(0, w.blocks)
				}
			}
			me := w.hosts[0]
			w.run(time.Minute)
			w.allDone()
			took[c] = w.now.Sub(w.began)
			t.Logf("%v, asked %d times", took[c], w.hosts[3].asked)
			for _, d := range me.plan.dropped {
				if d.Peer != w.hosts[3].at || c == honest || !strings.Contains(d.Reason, want) || d.ForEver && c != wrongBytes && c != liesAboutIt {
					t.Errorf("dropped: %+v", d)
				}
			}
			if c != honest && len(me.plan.dropped) != 1 {
				t.Errorf("the culprit is not named: %+v", me.plan.dropped)
			}
			if c == wrongBytes && w.hosts[3].asked > 1 {
				t.Errorf("asked %d times though its bytes were wrong", w.hosts[3].asked)
			}
		})
	}
	for c, d := range took {
		if d > took[honest]*11/10+2*impatience {
			t.Errorf("conduct %d: took %v, %v when all are honest", c, d, took[honest])
		}
	}
}

// TestBackOffDoubles: one that does not answer is asked less and less, and one
// that does again is forgiven.
func TestBackOffDoubles(t *testing.T) {
	s, now := &source{origin: origin{service: peerHTTP}}, time.Unix(1e9, 0)
	for _, want := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
		s.failed(now, wantBlocks, lane.Hung)
		if got := s.until.Sub(now); got != time.Duration(want)*time.Second {
			t.Errorf("left alone for %v, want %d s", got, want)
		}
		if now = s.until; !s.usable(now) {
			t.Fatal("never asked again")
		}
	}
	for range 7 {
		s.answered()
	}
	if s.failed(now, wantBlocks, lane.Refused); s.until.Sub(now) != leastWait {
		t.Errorf("after seven answers left alone for %v", s.until.Sub(now))
	}
	if s.failed(now, wantHave, lane.Busy); s.until.Sub(now) != busyWait {
		t.Errorf("busy: left alone for %v", s.until.Sub(now))
	}
}

// TestManifestComesFirst: from a peer that has it, else from the sender, one
// request at a time, and nothing else is asked for.
func TestManifestComesFirst(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := newPlanner(rand.New(rand.NewPCG(1, 1)))
	peer, young := origin{peerHTTP, netip.MustParseAddrPort("10.0.0.1:1")}, origin{peerHTTP, netip.MustParseAddrPort("10.0.0.2:1")}
	web, tftp := origin{senderHTTP, netip.MustParseAddrPort("10.0.0.9:1")}, origin{senderTFTP, netip.MustParseAddrPort("10.0.0.9:69")}
	p.meet(young, false)
	p.meet(tftp, true)
	p.meet(web, true)
	p.meet(peer, true)
	for i, want := range []origin{peer, web, tftp} {
		all := p.plan(now, modeDeaf, lack{manifest: true})
		if len(all) != 1 || all[0].wish != wantManifest || all[0].origin != want {
			t.Fatalf("step %d: %+v, want the manifest from %v", i, all, want)
		}
		if again := p.plan(now, modeDeaf, lack{manifest: true}); len(again) != 0 {
			t.Fatalf("step %d: asked twice: %+v", i, again)
		}
		p.done(now, all[0], lane.Refused, nil)
	}
	if all := p.plan(now, modeDeaf, lack{manifest: true}); len(all) != 0 {
		t.Errorf("asked at once after all had refused: %+v", all)
	}
	if all := p.plan(now, modeMulticast, lack{manifest: true}); len(all) != 0 {
		t.Errorf("asked though multicast works: %+v", all)
	}
	if all := p.plan(now, modeOrphan, lack{manifest: true}); len(all) != 1 || all[0].origin != young {
		t.Errorf("an orphan asks %+v, want one of whom the last roster said that it has nothing", all)
	}
}
