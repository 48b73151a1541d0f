package sender

import (
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// dealEach is the least time between two looks at the deficits of one member,
// which are what is dear in a report. Those of a newer report wait, and take the
// place of others that wait: it tells all that they did.
const dealEach = minInterval / 4

// deal queues what the deficits of the member's latest report ask for.
func (s *scheduler) deal(now time.Time, m *member, deficits []protocol.Deficit) {
	r := &m.report
	m.dealt, m.waits = now, false
	if r.Object == protocol.ObjectImage {
		m.lacks[protocol.ObjectManifest].RemoveRange(0, s.objects[0].n)
	}
	o, lacks := s.objects[r.Object], m.lacks[r.Object]
	prompt := r.Object == protocol.ObjectManifest || !m.lossy(s.loss)
	at, repairs := o.from(r.From), mostRepairs
	for _, d := range deficits {
		lo, hi := o.from(d.First), o.from(d.First+protocol.SBN(d.Count))
		lacks.RemoveRange(at, lo)
		lacks.AddRange(lo, hi)
		at = hi
		if d.Need == protocol.NeedAll {
			o.lackWhole(lo, hi, r.AsOf)
		} else {
			hi = min(hi, lo+repairs)
			repairs -= hi - lo
			o.lackSome(lo, hi, int(d.Need), r.AsOf, m.loss, prompt)
		}
	}
	lacks.RemoveRange(at, o.from(r.To))
}

// mostRepairs bounds the blocks that one report can have repaired: an honest
// receiver has fewer begun, or names the rest again; a forged report would keep
// us busy for as long as it takes to go through the whole image.
const mostRepairs = 4096

// lossy reports whether the member loses so much more than the median that its
// repairs wait for the carousel: it gets them in a cycle in which the others,
// that have all they need, are no longer here.
func (m *member) lossy(median float64) bool { return m.loss > 2*median+0.05 }

// lacked returns the first block of an object at or after i that anyone lacks,
// or its number of blocks.
func (s *scheduler) lacked(o *object, i int) int {
	for _, m := range s.alive {
		if m.lacks[o.id].Has(i) {
			return i
		}
	}
	first := o.n
	for _, m := range s.alive {
		first = min(first, m.lacks[o.id].Next(i))
	}
	return first
}
