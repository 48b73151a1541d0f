package protocol

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// model is what a DeficitWriter is to do, done the slow way: the whole report
// is coded again for each deficit.
type model struct {
	report Report
	size   int
	full   bool
}

func (m *model) add(d Deficit) bool {
	if m.full {
		return false
	}
	next := append([]Deficit(nil), m.report.Deficits...)
	if k := len(next); k > 0 && next[k-1].First+SBN(next[k-1].Count) == d.First && next[k-1].Need == d.Need {
		next[k-1].Count += d.Count
	} else {
		next = append(next, d)
	}
	r := m.report
	r.Deficits, r.To = next, d.First+SBN(d.Count)
	b, err := r.AppendBinary(nil)
	if err != nil || len(b) > m.size {
		m.full = true
		return false
	}
	m.report = r
	return true
}

// needs returns what a report says of each block in From..To-1: -1 held.
func needs(r *Report) map[SBN]int {
	m := map[SBN]int{}
	for s := r.From; s < r.To; s++ {
		m[s] = -1
	}
	for _, d := range r.Deficits {
		for s := d.First; s < d.First+SBN(d.Count); s++ {
			m[s] = int(d.Need)
		}
	}
	return m
}

func TestDeficitWriterAgainstModel(t *testing.T) {
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, 0))
	for trial := range 3000 {
		v := Report{State: ReceiverReceiving, Error: Text("a reason of some length", rng.IntN(20))}
		size := reportFixed + len(v.Error) + rng.IntN(40)
		if rng.IntN(10) == 0 {
			size = reportFixed + rng.IntN(len(v.Error)+1)
		}
		start := SBN(rng.IntN(1000))
		w := v.WriteDeficits(start, size)
		m := model{report: v, size: size}
		want := map[SBN]int{}
		next := start
		for range 60 {
			d := randomDeficit(rng, next)
			fits := m.add(d)
			if got := w.Add(d); got != fits {
				t.Fatalf("seed %d, trial %d: Add(%+v) = %v with %+v in %d bytes", seed, trial, d, got, v.Deficits, size)
			}
			if !fits {
				continue // a later and shorter one must not slip in behind the gap
			}
			for s := next; s < d.First; s++ {
				want[s] = -1
			}
			next = d.First + SBN(d.Count)
			for s := d.First; s < next; s++ {
				want[s] = int(d.Need)
			}
		}
		w.Covered(next + 10)
		if !m.full {
			for s := next; s < next+10; s++ {
				want[s] = -1
			}
		}
		if size < reportFixed+len(v.Error) {
			if len(v.Deficits) > 0 {
				t.Fatalf("seed %d, trial %d: deficits in a datagram that is too long without", seed, trial)
			}
			continue
		}
		b, err := v.AppendBinary(nil)
		if err != nil || len(b) > size {
			t.Fatalf("seed %d, trial %d: %d bytes, most is %d, %v", seed, trial, len(b), size, err)
		}
		var got Report
		if err := ParseReport(b, &got); err != nil {
			t.Fatalf("seed %d, trial %d: %v", seed, trial, err)
		}
		if !reflect.DeepEqual(needs(&got), want) {
			t.Fatalf("seed %d, trial %d: report says %+v, want %+v", seed, trial, needs(&got), want)
		}
	}
}

// randomDeficit returns a deficit at or after next: mostly small, at times
// adjacent and of equal need, at times at a varint's edge.
func randomDeficit(rng *rand.Rand, next SBN) Deficit {
	d := Deficit{First: next, Count: 1, Need: uint16(rng.IntN(3))}
	if rng.IntN(2) == 0 {
		d.First += SBN(rng.IntN(5))
	}
	switch rng.IntN(6) {
	case 0:
		d.First += SBN(125 + rng.IntN(6))
	case 1:
		d.Count = uint32(1 + rng.IntN(130))
	case 2:
		d.Need = uint16(126 + rng.IntN(4))
	case 3:
		d.Count, d.Need = 127, 1
	}
	return d
}

func TestMillionMissingBlocksAreOneDeficit(t *testing.T) {
	v := Report{State: ReceiverReceiving}
	w := v.WriteDeficits(0, 303)
	for s := range SBN(1 << 20) {
		if !w.Add(Deficit{s, 1, NeedAll}) {
			t.Fatalf("block %d does not fit", s)
		}
	}
	if len(v.Deficits) != 1 || v.To != 1<<20 {
		t.Errorf("%d deficits up to block %d", len(v.Deficits), v.To)
	}
}

func TestFullWriterStaysFull(t *testing.T) {
	v := Report{State: ReceiverReceiving}
	w := v.WriteDeficits(0, reportFixed+4)
	if w.Add(Deficit{First: 1000, Count: 1000, Need: 1}) {
		t.Fatal("5 bytes fit into 4")
	}
	if w.Add(Deficit{First: 5000, Count: 1, Need: 1}) {
		t.Error("took a deficit behind one that did not fit: blocks 1000 to 1999 would seem held")
	}
	w.Covered(9000)
	if v.To != 0 {
		t.Errorf("covers blocks up to %d", v.To)
	}
}

func TestReportIntoUsedOneLeavesNothingBehind(t *testing.T) {
	used := goldenReport()
	used.Error = "from before"
	if err := ParseReport(golden(t, "report-failed"), &used); err != nil {
		t.Fatal(err)
	}
	if want := goldens()["report-failed"]; !reflect.DeepEqual(unsigned(used), unsigned(want)) {
		t.Errorf("parsed\n %+v, want\n %+v", used, want)
	}
	roster := goldenRoster()
	empty := resealed(golden(t, "roster")[:HeaderSize+4])
	if err := ParseRoster(empty, &roster); err != nil || len(roster.Places) != 0 {
		t.Errorf("roster without places: %+v, %v", roster, err)
	}
}
