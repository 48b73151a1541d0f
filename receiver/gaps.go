package receiver

import "github.com/pxecast/pxecast/protocol"

// keptGaps is how many gaps can still be filled by datagrams that come late,
// and are known one by one; older ones are only counted.
const keptGaps = 128

// gaps knows what did not come. It costs nothing while datagrams come in order.
type gaps struct {
	kept    [keptGaps]protocol.Gap // a ring, ascending
	from, n int
	count   uint32 // of those that are no longer kept
	longest uint32 // of those
}

func (g *gaps) at(i int) *protocol.Gap { return &g.kept[(g.from+i)%keptGaps] }

// open takes note that first..last have not come; all gaps so far lie before.
func (g *gaps) open(first, last protocol.Seq) {
	if g.n == keptGaps {
		g.forget()
	}
	g.n++
	*g.at(g.n - 1) = protocol.Gap{First: first, Count: uint32(min(last-first+1, 1<<32-1))}
}

// forget counts the oldest gap and keeps it no longer.
func (g *gaps) forget() {
	g.count, g.longest = g.count+1, max(g.longest, g.at(0).Count)
	g.from, g.n = (g.from+1)%keptGaps, g.n-1
}

// late takes q out of its gap, if it is in one: it came after later ones.
func (g *gaps) late(q protocol.Seq) {
	for i := g.n - 1; i >= 0; i-- {
		gap := g.at(i)
		switch {
		case q > gap.Last():
			return
		case q < gap.First:
		case gap.Count == 1:
			g.remove(i)
			return
		case q == gap.First:
			gap.First, gap.Count = gap.First+1, gap.Count-1
			return
		default:
			rest := protocol.Gap{First: q + 1, Count: uint32(gap.Last() - q)}
			if gap.Count = uint32(q - gap.First); rest.Count > 0 {
				g.insert(i+1, rest)
			}
			return
		}
	}
}

func (g *gaps) remove(i int) {
	for ; i < g.n-1; i++ {
		*g.at(i) = *g.at(i + 1)
	}
	g.n--
}

func (g *gaps) insert(i int, gap protocol.Gap) {
	if g.n == keptGaps {
		g.forget()
		i--
	}
	g.n++
	for j := g.n - 1; j > i; j-- {
		*g.at(j) = *g.at(j - 1)
	}
	*g.at(i) = gap
}

// cut forgets what lies after highest: it was forged. Gaps that are only counted
// by then stay counted: forged sequence numbers may inflate the diagnosis, never
// the transfer.
func (g *gaps) cut(highest protocol.Seq) {
	for g.n > 0 && g.at(g.n-1).First > highest {
		g.n--
	}
	if g.n == 0 {
		return
	}
	if last := g.at(g.n - 1); last.Last() > highest {
		last.Count = uint32(highest - last.First + 1)
	}
}

// totals returns how many gaps there were, and how long the longest one was.
func (g *gaps) totals() (count, longest uint32) {
	count, longest = g.count+uint32(g.n), g.longest
	for i := range g.n {
		longest = max(longest, g.at(i).Count)
	}
	return count, longest
}

// list adds the latest gaps to a report whose AsOf is set, as many as fit.
func (g *gaps) list(r *protocol.Report) {
	r.Recent = r.Recent[:0]
	for i := g.n - 1; i >= 0 && r.AddGap(*g.at(i)); i-- {
	}
}
