package receiver

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/protocol"
)

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

// TestRarestFirst: what only one peer has is asked for before what all have, and
// each next request goes to the peer with the fewest under way.
func TestRarestFirst(t *testing.T) {
	now := time.Unix(1e9, 0)
	rare := 0
	for seed := range uint64(200) {
		p := newPlanner(rand.New(rand.NewPCG(seed, 2)))
		for i := range 4 {
			o := origin{peerHTTP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)}
			p.meet(o, true)
			p.right(o)
			s := p.sources[o]
			s.has, s.asked = blockset.New(1000), now
			if s.has.AddRange(0, 900); i == 0 {
				s.has.AddRange(900, 1000)
			}
		}
		asked := map[origin]int{}
		all := p.plan(now, modeOrphan, lack{have: blockset.New(1000), to: 1000, frames: 4})
		for _, r := range all {
			if asked[r.origin]++; r.origin == p.order[0].origin && r.first >= 900 {
				rare++
			}
		}
		if len(all) != 4 || len(asked) != 4 {
			t.Fatalf("seed %d: %d requests to %d of 4 peers", seed, len(all), len(asked))
		}
	}
	if rare < 80 { // 20 if it were by chance
		t.Errorf("%d of 200 requests were for a block that only that peer has", rare)
	}
}

// TestForgedRosters: rosters are not signed. Whoever fills all places with
// machines that do not exist, or that list all and are always busy, keeps us
// neither from those that gave something nor from one that comes later.
func TestForgedRosters(t *testing.T) {
	for _, busy := range []bool{false, true} {
		now := time.Unix(1e9, 0)
		p := newPlanner(rand.New(rand.NewPCG(1, 6)))
		peer := func(i int) origin {
			return origin{peerHTTP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), 80)}
		}
		good, late, sender := peer(1), peer(2), origin{senderHTTP, peer(3).at}
		all := blockset.New(100)
		all.AddRange(0, 100)
		l := lack{have: blockset.New(100), to: 100, frames: 8}
		p.meet(good, true)
		p.right(good)
		asked := map[origin]int{}
		step := func() {
			for _, r := range p.plan(now, modeOrphan, l) {
				switch honest := r.origin == good || r.origin == late; {
				case r.wish == wantHave && (busy || honest):
					p.done(now, r, 0, all)
				case honest:
					asked[r.origin]++
					p.done(now, r, 0, nil)
					p.right(r.origin)
				case busy:
					p.done(now, r, lane.Busy, nil)
				default:
					p.done(now, r, lane.Refused, nil)
				}
			}
			now = now.Add(50 * time.Millisecond)
		}
		step()
		for i := range 3 * protocol.MaxReceivers {
			p.meet(peer(100+i), true)
		}
		for range 200 {
			step()
			p.meet(late, true)
			p.meet(sender, true)
		}
		if len(p.order) > protocol.MaxReceivers+1 || len(p.order) != len(p.sources) {
			t.Fatalf("busy %v: %d places, %d sources", busy, len(p.order), len(p.sources))
		}
		if p.sources[sender] == nil || asked[good] < 100 || p.sources[late] == nil {
			t.Errorf("busy %v: the one that gives was asked %d times, the late one is known: %v, the sender: %v",
				busy, asked[good], p.sources[late] != nil, p.sources[sender] != nil)
		}
		known := 0
		for _, s := range p.order {
			if s.has != nil {
				known++
			}
		}
		if known > mostSources {
			t.Errorf("busy %v: what %d peers have is known, want at most %d", busy, known, mostSources)
		}
		// Its turn comes, be it after many others.
		for n := 0; asked[late] == 0; n++ {
			if n > 5000 {
				t.Fatalf("busy %v: the late one is never asked for a block", busy)
			}
			step()
			p.meet(late, true)
		}
	}
}
