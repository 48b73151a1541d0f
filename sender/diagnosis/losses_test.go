package diagnosis

import (
	"math/rand/v2"
	"testing"

	"github.com/pxecast/pxecast/protocol"
)

// machine reports what a cable with this loss leaves of a row of datagrams.
type machine struct {
	number protocol.Number
	lost   func(q protocol.Seq) bool
	gaps   []protocol.Gap
	n      protocol.Counters
	asOf   protocol.Seq
}

// to goes on to Seq last and reports.
func (m *machine) to(last protocol.Seq, l *Losses) {
	for q := m.asOf + 1; q <= last; q++ {
		if q == last || !m.lost(q) { // what is lost after the last received is not known of
			m.n.Received++
			continue
		}
		m.n.Lost++
		if k := len(m.gaps); k > 0 && m.gaps[k-1].Last() == q-1 {
			m.gaps[k-1].Count++
		} else {
			m.gaps = append(m.gaps, protocol.Gap{First: q, Count: 1})
		}
	}
	m.asOf, m.n.Gaps = last, uint32(len(m.gaps))
	r := protocol.Report{Number: m.number, AsOf: last, Counters: m.n}
	for i := len(m.gaps) - 1; i >= 0 && r.AddGap(m.gaps[i]); i-- {
	}
	l.Add(&r)
}

func dice(seed uint64, p float64) func(protocol.Seq) bool {
	return func(q protocol.Seq) bool { return rand.New(rand.NewPCG(seed, uint64(q))).Float64() < p }
}

func every(n, row protocol.Seq) func(protocol.Seq) bool {
	return func(q protocol.Seq) bool { return q%n < row }
}

// sharedPart is the share of the judged datagrams that all lost; -1 where nothing
// could be judged.
func sharedPart(s Shared) float64 {
	if s.Judged == 0 {
		return -1
	}
	return float64(s.Common) / float64(s.Judged)
}

func TestSharedLosses(t *testing.T) {
	for name, c := range map[string]struct {
		lost        []func(protocol.Seq) bool
		step        protocol.Seq // datagrams between reports
		least, most []float64
	}{
		"alone in the room":       {[]func(protocol.Seq) bool{dice(1, 0.02)}, 2000, []float64{-1}, []float64{-1}},
		"one of three":            {[]func(protocol.Seq) bool{dice(1, 0.02), dice(0, 0), dice(0, 0)}, 2000, []float64{0, -1, -1}, []float64{0, -1, -1}},
		"each its own":            {[]func(protocol.Seq) bool{dice(1, 0.05), dice(2, 0.05), dice(3, 0.05)}, 1000, []float64{0, 0, 0}, []float64{0.02, 0.02, 0.02}},
		"all the same":            {[]func(protocol.Seq) bool{dice(5, 0.02), dice(5, 0.02), dice(5, 0.02)}, 1000, []float64{0.98, 0.98, 0.98}, []float64{1, 1, 1}},
		"more than reports hold":  {[]func(protocol.Seq) bool{dice(5, 0.2), dice(5, 0.2), dice(5, 0.2)}, 5000, []float64{0.98, 0.98, 0.98}, []float64{1, 1, 1}},
		"one has it all together": {[]func(protocol.Seq) bool{every(100, 10), every(100, 10), every(100, 10), every(50, 10)}, 1500, []float64{0.95, 0.95, 0.95, 0.48}, []float64{1, 1, 1, 0.52}},
	} {
		var l Losses
		var all []*machine
		for i, lost := range c.lost {
			all = append(all, &machine{number: protocol.Number(i), lost: lost})
		}
		for step := protocol.Seq(1); step <= 30; step++ {
			for i, m := range all { // they do not report at one moment
				m.to(step*c.step+protocol.Seq(i*37), &l)
			}
		}
		shared := l.Shared()
		for i := range all {
			if got := sharedPart(shared[protocol.Number(i)]); got < c.least[i] || got > c.most[i] {
				t.Errorf("%s: machine %d shares %.2f of its losses (%+v); want %.2f to %.2f", name, i, got, shared[protocol.Number(i)], c.least[i], c.most[i])
			}
		}
	}
}

func TestPeriod(t *testing.T) {
	for name, c := range map[string]struct {
		lost func(protocol.Seq) bool
		want float64
	}{
		"dice":                 {dice(1, 0.02), 0},
		"heavy dice":           {dice(1, 0.3), 0},
		"bursts in a rhythm":   {every(500, 20), 500},
		"every second":         {every(2, 1), 2},
		"nothing":              {dice(1, 0), 0},
		"too few for a rhythm": {every(9000, 1), 0},
	} {
		var l Losses
		m := &machine{lost: c.lost}
		for step := protocol.Seq(1); step <= 30; step++ {
			m.to(step*1501, &l)
		}
		if got := l.Period(0); got != c.want {
			t.Errorf("%s: a gap every %v datagrams, want %v", name, got, c.want)
		}
	}
}

// What is kept stays bounded, and what is known of the rest stays true.
func TestLossesAreBounded(t *testing.T) {
	var l Losses
	a, b := &machine{number: 1, lost: dice(4, 0.05)}, &machine{number: 2, lost: dice(4, 0.05)}
	for step := protocol.Seq(1); step <= 300; step++ {
		a.to(step*1000, &l)
		b.to(step*1000, &l)
	}
	if n := len(l.tracks[1].gaps); n > mostGaps || n < mostGaps/2 {
		t.Errorf("%d gaps are kept", n)
	}
	if got := sharedPart(l.Shared()[1]); got < 0.99 {
		t.Errorf("shares %.2f", got)
	}
}

// A report that comes late, or twice, adds nothing.
func TestOldReport(t *testing.T) {
	var l Losses
	old := protocol.Report{AsOf: 50, Counters: protocol.Counters{Received: 49, Lost: 1, Gaps: 1}, Recent: []protocol.Gap{{First: 9, Count: 1}}}
	late := protocol.Report{AsOf: 100, Counters: protocol.Counters{Received: 98, Lost: 2, Gaps: 2}, Recent: []protocol.Gap{{First: 60, Count: 1}, {First: 9, Count: 1}}}
	for _, r := range []*protocol.Report{&old, &late, &late, &old} {
		l.Add(r)
	}
	if got := l.tracks[0]; len(got.gaps) != 2 || len(got.covered) != 1 || got.covered[0] != (span{1, 100}) {
		t.Errorf("%+v", got)
	}
}
