package sender

import (
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/protocol"
)

// dealEach is the least time between two looks at the same page of a member's
// deficits, which are what is dear in a report. Those of a newer report wait, and
// take the place of others that wait: it tells all that they did. A page that
// goes on where the one before ended tells what no other does until all have
// come round, which takes many seconds on a large image: of those, pagesAtOnce may
// come together, as reports do when a write has taken its time.
const (
	dealEach    = minInterval / 4
	pagesAtOnce = 16
)

// page is what the deficits of a report speak of.
type page struct {
	object protocol.Object
	from   protocol.SBN
}

// premature reports whether the deficits of a report have to wait.
func (m *member) premature(now time.Time, r *protocol.Report) bool {
	same := m.page == page{r.Object, r.From}
	return same && now.Sub(m.dealt) < dealEach || !m.pages.take(now, dealEach, pagesAtOnce)
}

// deal queues what the deficits of the member's latest report ask for.
func (s *scheduler) deal(now time.Time, m *member, deficits []protocol.Deficit) {
	r := &m.report
	m.dealt, m.waits, m.page = now, false, page{r.Object, r.From}
	if r.Object == protocol.ObjectImage {
		m.lacks[protocol.ObjectManifest] = nil
	}
	o, lacks := s.objects[r.Object], m.lacks[r.Object]
	if lacks == nil {
		if len(deficits) == 0 {
			return
		}
		lacks = blockset.New(o.n)
		m.lacks[r.Object] = lacks
	}
	prompt := r.Object == protocol.ObjectManifest || !m.lossy(s.loss)
	at, repairs, looks := o.from(r.From), mostRepairs, mostLooks
	for _, d := range deficits {
		lo, hi := o.from(d.First), o.from(d.First+protocol.SBN(d.Count))
		lacks.RemoveRange(at, lo)
		lacks.AddRange(lo, hi)
		at = hi
		if d.Need == protocol.NeedAll {
			looks -= o.lackWhole(lo, hi, r.AsOf, looks)
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
// us busy for as long as it takes to go through the whole image. mostLooks does
// so for blocks that are lacking whole: 32 GiB of disk, and the next report names
// the rest again long before they are sent.
const (
	mostRepairs = 4096
	mostLooks   = 1 << 17
)

// lossy reports whether the member loses so much more than the median that its
// repairs wait for the carousel: it gets them in a cycle in which the others,
// that have all they need, are no longer here.
func (m *member) lossy(median float64) bool { return m.loss > 2*median+0.05 }

// lacking reports whether the member lacks block i of an object, as far as it told.
func (m *member) lacking(o protocol.Object, i int) bool {
	return m.lacks[o] != nil && m.lacks[o].Has(i)
}

// lacked reports whether anyone lacks block i of an object.
func (s *scheduler) lacked(o *object, i int) bool {
	return slices.ContainsFunc(s.alive, func(m *member) bool { return m.lacking(o.id, i) })
}

// wanted returns the first block of an object at or after i that anyone lacks,
// or its number of blocks.
func (s *scheduler) wanted(o *object, i int) int {
	if s.lacked(o, i) {
		return i
	}
	first := o.n
	for _, m := range s.alive {
		if l := m.lacks[o.id]; l != nil {
			first = min(first, l.Next(i))
		}
	}
	return first
}
