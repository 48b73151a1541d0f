package receiver

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/lane"
)

// without returns the shares of a room in which these ranks are gone.
func without(of int, gone ...int) (v shares) {
	for rank := range of {
		g := slices.Contains(gone, rank)
		if v.gone = append(v.gone, g); !g {
			v.here = append(v.here, rank)
		}
	}
	return v
}

// TestSharesOfThoseThatAreGone: each part is one machine's that is here; who goes
// moves no part but its own, and those evenly.
func TestSharesOfThoseThatAreGone(t *testing.T) {
	const parts = 9000
	all, less, fewer := without(9), without(9, 4), without(9, 4, 7)
	var of [9]int
	for part := range parts {
		a, b, c := all.of(part), less.of(part), fewer.of(part)
		if b == 4 || c == 4 || c == 7 || a != 4 && a != b || b != 7 && b != c {
			t.Fatalf("part %d is the turn of %d, without 4 of %d, without 7 too of %d", part, a, b, c)
		}
		of[c]++
	}
	for rank, n := range of {
		if rank != 4 && rank != 7 && (n < parts/7*9/10 || n > parts/7*11/10) {
			t.Errorf("it is the turn of %d for %d parts of %d", rank, n, parts)
		}
	}
}

// TestSharesOfFew: of a room of a thousand two are left.
func TestSharesOfFew(t *testing.T) {
	var gone []int
	for rank := range 1000 {
		if rank != 17 && rank != 950 {
			gone = append(gone, rank)
		}
	}
	v, n := without(1000, gone...), 0
	for part := range 1000 {
		switch v.of(part) {
		case 17:
			n++
		case 950:
		default:
			t.Fatalf("part %d is the turn of one that is gone", part)
		}
	}
	if n < 400 || n > 600 {
		t.Errorf("one of two has %d parts of 1000", n)
	}
}

// TestGone says of whom nothing can be had.
func TestGone(t *testing.T) {
	now := time.Unix(1e9, 0)
	peer := func(i byte) origin {
		return origin{peerHTTP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, i}), 80)}
	}
	p := newPlanner(rand.New(rand.NewPCG(1, 9)))
	p.rank, p.of = 0, 10
	for i := range byte(8) {
		if p.seat(int(i), peer(i), i == 1); i != 2 {
			p.meet(peer(i), true)
		}
	}
	block := func(i byte) request { return request{origin: peer(i), wish: wantBlocks} }
	for _, i := range []byte{3, 4, 5, 6} {
		p.launch(now, block(i))
	}
	p.done(now, block(3), lane.Closed, nil)
	p.done(now, block(4), lane.Busy, nil)
	p.done(now, block(5), 0, nil)
	p.wrong(peer(5))
	p.right(peer(7))
	for rank, want := range []bool{false, true, true, true, false, true, false, false, false, false} {
		if got := p.gone(now, rank); got != want {
			t.Errorf("rank %d is gone: %v", rank, got)
		}
	}
	if now = now.Add(impatience); !p.gone(now, 6) {
		t.Error("one that does not answer is not gone")
	}
	p.done(now, block(6), 0, nil)
	if p.right(peer(6)); p.gone(now, 6) {
		t.Error("one that answered late is gone")
	}
	p.leave()
	p.of = 3
	if p.gone(now, 1) {
		t.Error("somebody of another session is gone")
	}
}

// TestAnswerAfterFailure: what a machine gives that it was asked for before it
// failed makes up for that, so that all say the same of it: it may be asked again.
func TestAnswerAfterFailure(t *testing.T) {
	s, now := &source{origin: origin{service: peerHTTP}}, time.Unix(1e9, 0)
	s.failed(now, wantBlocks, lane.Lacks)
	if s.usable(now) || !s.doubtful(now) {
		t.Fatal("not left alone")
	}
	s.answered()
	s.proven = true
	if !s.usable(now) || s.doubtful(now) {
		t.Errorf("usable %v, doubtful %v", s.usable(now), s.doubtful(now))
	}
	s.failed(now, wantBlocks, lane.Busy)
	if s.answered(); s.usable(now) {
		t.Error("one that has too much to do is asked at once")
	}
}

// TestPartOfACulprit: in a room that has nothing but the sender one machine
// misbehaves. What it was to fetch for the others costs them little time, and
// the sender little more than that part.
func TestPartOfACulprit(t *testing.T) {
	var usual time.Duration
	for _, c := range []conduct{honest, wrongBytes, hangs, closesEarly, liesAboutIt} {
		w := newWorld(t, 5, 7, 1500, modeDeaf)
		w.withSender(senderHTTP)
		for _, h := range w.hosts {
			h.plan.fed = w.now
		}
		w.hosts[3].conduct = c
		w.run(5 * time.Minute)
		w.allDone()
		took, part := w.now.Sub(w.began), float64(w.sender.served)/float64(w.blocks)
		t.Logf("conduct %d: %v, the sender served %.2f × the image", c, took, part)
		if c == honest {
			usual = took
		}
		if took > usual*11/10 || part > 1.3 {
			t.Errorf("conduct %d: took %v, %v when all are honest; the sender served %.2f × the image", c, took, usual, part)
		}
	}
}

// TestUnansweredIsNamed: a machine that owes an answer when all has come from
// others.
func TestUnansweredIsNamed(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := newPlanner(rand.New(rand.NewPCG(1, 9)))
	o := origin{peerHTTP, netip.MustParseAddrPort("10.0.0.1:80")}
	p.meet(o, true)
	p.launch(now, request{origin: o, wish: wantBlocks})
	if p.unanswered(now); len(p.dropped) > 0 {
		t.Error("named at once")
	}
	if p.unanswered(now.Add(impatience)); len(p.dropped) != 1 || p.dropped[0].Reason != tardy {
		t.Errorf("dropped: %+v", p.dropped)
	}
}

// TestHungryOnesAskOftener what others have, in a small room and for a small image.
func TestHungryOnesAskOftener(t *testing.T) {
	for _, c := range []struct {
		hungry        bool
		peers, blocks int
		want          time.Duration
	}{
		{false, 5, 100, askEach},
		{true, 5, 100, askEach / 4},
		{true, 16, 100, askEach / 2},
		{true, 500, 100, askEach},
		{true, 5, hastyBlocks + 1, askEach},
	} {
		p := newPlanner(rand.New(rand.NewPCG(1, 9)))
		p.hungry, p.order = c.hungry, make([]*source, c.peers)
		if got := p.pause(lack{have: blockset.New(c.blocks)}); got != c.want {
			t.Errorf("%+v: asked every %v", c, got)
		}
	}
}

// TestLaterOfTwoEndsFirst: a block is on its way from two machines, and the one
// that was asked later fails and is forgotten. What is left is the other's.
func TestLaterOfTwoEndsFirst(t *testing.T) {
	now := time.Unix(1e9, 0)
	p := newPlanner(rand.New(rand.NewPCG(1, 9)))
	var all [3]origin
	for i := range all {
		all[i] = origin{peerHTTP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)}
		p.meet(all[i], true)
	}
	ask := func(o origin) request {
		r := request{origin: o, wish: wantBlocks}
		p.launch(now, r)
		return r
	}
	ask(all[0])
	now = now.Add(impatience)
	p.done(now, ask(all[1]), lane.Closed, nil)
	delete(p.sources, all[1])
	if p.open(now, p.sources[all[0]], 0) || !p.open(now, p.sources[all[2]], 0) {
		t.Error("of two that could be asked it is not the one that was not")
	}
	if f := p.underway[0]; f.from != all[0] || f.n != 1 {
		t.Errorf("%+v under way", f)
	}
}
