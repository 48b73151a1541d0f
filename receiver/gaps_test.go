package receiver

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// heard is a collector that has seen these sequence numbers in this order.
func heard(t *testing.T, seqs ...protocol.Seq) *collector {
	t.Helper()
	c := newCollector(announceOf(imagetest.Manifest(t, 100), 1408), leastMemory)
	for _, q := range seqs {
		c.see(q)
	}
	c.settle(0)
	return c
}

// to returns from..last but for those in any of the gaps.
func to(from, last protocol.Seq, gaps ...protocol.Gap) (seqs []protocol.Seq) {
	for q := from; q <= last; q++ {
		if !slices.ContainsFunc(gaps, func(g protocol.Gap) bool { return q >= g.First && q <= g.Last() }) {
			seqs = append(seqs, q)
		}
	}
	return seqs
}

func TestGaps(t *testing.T) {
	for name, c := range map[string]struct {
		seqs           []protocol.Seq
		count, longest uint32
		recent         []protocol.Gap
	}{
		"none":                         {to(1, 100), 0, 0, nil},
		"joined late":                  {to(1000, 1100), 0, 0, nil},
		"single ones and a burst":      {to(5, 100, protocol.Gap{First: 10, Count: 1}, protocol.Gap{First: 50, Count: 20}, protocol.Gap{First: 99, Count: 1}), 3, 20, []protocol.Gap{{First: 99, Count: 1}, {First: 50, Count: 20}, {First: 10, Count: 1}}},
		"two changed places":           {[]protocol.Seq{1, 3, 2, 4}, 0, 0, nil},
		"doubled":                      {[]protocol.Seq{1, 2, 2, 4, 4, 2, 1}, 1, 1, []protocol.Gap{{First: 3, Count: 1}}},
		"a late one in the middle":     {[]protocol.Seq{1, 9, 5}, 2, 3, []protocol.Gap{{First: 6, Count: 3}, {First: 2, Count: 3}}},
		"late ones at a gap's ends":    {[]protocol.Seq{1, 9, 2, 8}, 1, 5, []protocol.Gap{{First: 3, Count: 5}}},
		"late, behind another gap":     {[]protocol.Seq{1, 4, 8, 2}, 2, 3, []protocol.Gap{{First: 5, Count: 3}, {First: 3, Count: 1}}},
		"before the first that we saw": {[]protocol.Seq{10, 9, 12}, 1, 1, []protocol.Gap{{First: 11, Count: 1}}},
	} {
		col := heard(t, c.seqs...)
		r := protocol.Report{AsOf: col.asOf}
		col.gaps.list(&r)
		if n := col.counters; n.Gaps != c.count || n.Longest != c.longest || !slices.Equal(r.Recent, c.recent) {
			t.Errorf("%s: %d gaps, longest %d, %v; want %d, %d, %v", name, n.Gaps, n.Longest, r.Recent, c.count, c.longest, c.recent)
		}
	}
}

// However much comes late, gaps hold exactly what is missing, as long as they
// are not more than are kept.
func TestGapsAgainstModel(t *testing.T) {
	const seed = 3
	rng := rand.New(rand.NewPCG(seed, 0))
	for trial := range 300 {
		var order []protocol.Seq
		for q := protocol.Seq(1); q <= 400; q++ {
			if q == 1 || q == 400 || rng.IntN(10) > 0 {
				order = append(order, q)
			}
		}
		for range rng.IntN(60) { // not the first and not the last
			i := 1 + rng.IntN(len(order)-2)
			j := min(len(order)-2, i+rng.IntN(20))
			order[i], order[j] = order[j], order[i]
		}
		c := heard(t, order...)
		slices.Sort(order)
		var want []protocol.Gap
		for i, q := range order[1:] {
			if before := order[i]; q > before+1 {
				want = append(want, protocol.Gap{First: before + 1, Count: uint32(q - before - 1)})
			}
		}
		var got []protocol.Gap
		for i := range c.gaps.n {
			got = append(got, *c.gaps.at(i))
		}
		if c.gaps.count == 0 && !slices.Equal(got, want) {
			t.Fatalf("seed %d, trial %d: %v, want %v", seed, trial, got, want)
		}
	}
}

func TestMoreGapsThanAreKept(t *testing.T) {
	var seqs []protocol.Seq
	for q := protocol.Seq(1); q < 2000; q += 2 {
		if q == 51 { // the longest one comes early
			q += 7
		}
		seqs = append(seqs, q)
	}
	c := heard(t, seqs...)
	if n := c.counters; int(n.Gaps) != len(seqs)-1 || n.Longest != 8 {
		t.Errorf("%d gaps, longest %d; want %d and 8", n.Gaps, n.Longest, len(seqs)-1)
	}
}

// A forged sequence number that the next announcements take back leaves no gap
// but for what they say was sent.
func TestGapOfAForgedNumberIsTakenBack(t *testing.T) {
	c := heard(t, to(1, 50)...)
	c.hear(50)
	c.see(5000)
	c.hear(60)
	c.hear(70)
	c.see(71)
	c.settle(0)
	if n := c.counters; n.Gaps != 1 || n.Longest != 20 { // 51..70
		t.Errorf("%d gaps, longest %d; want 1 of 20", n.Gaps, n.Longest)
	}
	c = heard(t, to(1, 50)...)
	c.hear(50)
	c.see(5000)
	c.see(4000) // makes two gaps of it
	c.hear(50)
	c.hear(50)
	c.settle(0)
	if n := c.counters; n.Gaps != 0 {
		t.Errorf("%d gaps, longest %d; want none", n.Gaps, n.Longest)
	}
}
