package sender

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// interleave is how many blocks are on their way at once, and chunk how
	// many symbols of one follow each other: a burst of 100 lost datagrams, or
	// one super-packet of 45, takes only a few symbols from each.
	interleave = 16
	chunk      = 3

	// turns is how many can be with repairs: those need not wait until blocks
	// that began together end together.
	turns = 2 * interleave

	// slots is how many blocks can take part in one write: those on their way
	// and as many that were finished by it, which small blocks are at once.
	slots = 80

	goneAfter = 6 * time.Second // without a report; with the usual linger, less than the ten that people wait
)

// scheduler decides what is sent next. It is a value without sockets or clock:
// one goroutine owns it and tells it the time.
type scheduler struct {
	objects [2]*object
	members []*member // by number; those that left stay, for the summary
	alive   []*member // of those, the ones that still want something
	last    protocol.Seq
	jobs    [slots]job
	turns   [turns]int // the slots whose turn comes round; whole blocks have the first interleave
	turn    int
	free    []int // other slots, the last used last: its memory is in the cache
	spent   []int // slots whose last symbols are in the fill under way
	cursor  int   // where the carousel goes on
	debt    int   // symbols that went before the carousel, less its own since
	window  window
	held    bool      // nothing may go, or nothing is due, until a report comes
	shut    time.Time // since when no whole block may begin; zero: one may

	parity     float64 // of k, sent unasked with every block; <0 follow the loss
	loss       float64 // median of the members'
	congestion congestion
	measured   time.Time
	sampled    protocol.Seq // sent when it was measured
	turned     protocol.Seq // sent when the congestion control last tried a lower rate
	began      time.Time    // when most of what went since then began to go
	packet     int          // bytes of a full datagram

	calm    time.Duration // for which reports may be missed
	relaxed time.Time     // when that was decided
	before  protocol.Seq  // sent until then
	frame   float64       // mean bytes of a block of the image
}

func newScheduler(m *image.Manifest, symbolSize int, parity float64) *scheduler {
	s := &scheduler{
		objects: [2]*object{manifestObject(int64(len(m.Bytes())), symbolSize), imageObject(m, symbolSize)},
		parity:  parity,
		packet:  symbolSize + protocol.DataHeaderSize,
		frame:   float64(m.PackedSize()) / float64(max(1, m.DataBlocks())),
	}
	for _, o := range s.objects {
		o.lacked = func(i int) bool { return s.lacked(o, i) }
		o.wanted = func(i int) int { return s.wanted(o, i) }
	}
	for i := range slots {
		if i < turns {
			s.turns[i] = i
		} else {
			s.free = append(s.free, i)
		}
	}
	return s
}

// admit gives a receiver its place, the former one if it was here before. It
// returns nil when the session is full, or has no place for it yet.
func (s *scheduler) admit(now time.Time, j *protocol.Join, from netip.AddrPort) (m *member, full bool) {
	silent := 0 // of this address
	for _, m := range s.members {
		if m.id != j.Receiver {
			if m.report.Serial == 0 && m.address.Addr() == from.Addr() {
				silent++
			}
			continue
		}
		if m.run == j.Run {
			m.address, m.peer, m.heard = from, j.Peer, now
			return m, false
		}
		// Cloned machines may have one ID. As long as one of them reports from
		// elsewhere, this is another and not the same after a restart.
		if m.present() && m.address.Addr() != from.Addr() && now.Sub(m.heard) < max(5*s.interval(), silentAfter) {
			continue
		}
		*m = *s.newMember(now, m.number, j, from)
		s.enlist()
		return m, false
	}
	if full = len(s.members) == protocol.MaxReceivers; full || silent >= mostSilent {
		return nil, full
	}
	m = s.newMember(now, protocol.Number(len(s.members)), j, from)
	s.members = append(s.members, m)
	s.enlist()
	return m, false
}

func (s *scheduler) newMember(now time.Time, n protocol.Number, j *protocol.Join, from netip.AddrPort) *member {
	s.doubt()
	return &member{
		number: n, id: j.Receiver, run: j.Run, name: j.Name, address: from, peer: j.Peer,
		joined: now, heard: now, state: protocol.ReceiverJoined, asOf: s.last, asOfAt: now,
	}
}

// doubt forgets who was found to be as fast as the others: somebody else has come,
// who may be faster than they all.
func (s *scheduler) doubt() {
	for _, m := range s.alive {
		m.overrun.doubt()
	}
}

// enlist rebuilds the list of members that still want something.
func (s *scheduler) enlist() {
	s.alive = s.alive[:0]
	for _, m := range s.members {
		if m.present() {
			s.alive = append(s.alive, m)
		}
	}
}

// report takes over a receiver's condition. It reports whether it was news.
func (s *scheduler) report(now time.Time, r *protocol.Report) bool {
	if int(r.Number) >= len(s.members) {
		return false
	}
	m := s.members[r.Number]
	if r.Serial <= m.report.Serial || m.state == protocol.ReceiverDone || m.state == protocol.ReceiverFailed {
		return false
	}
	if r.AsOf > s.last {
		// Somebody forged a datagram that it believed. Its deficits mean
		// nothing until our next announcement, but it is there.
		m.heard = now
		return false
	}
	back := m.state == protocol.ReceiverGone
	m.update(now, r, s.last)
	if back {
		s.doubt()
		s.enlist()
	}
	if m.mark.at.Before(s.began) {
		m.mark = mark{now, r.Counters.Received}
	}
	if !m.present() {
		s.enlist()
		return true
	}
	if m.premature(now, r) {
		m.waits, m.deficits = true, append(m.deficits[:0], r.Deficits...)
		return true
	}
	s.deal(now, m, r.Deficits)
	return true
}

// run is up to chunk symbols of the job in a slot, with consecutive ESIs
// (modulo N) and sequence numbers.
type run struct {
	slot  int
	load  bool // the slot has a new job: its frame is to be read
	esi   int
	count int
	seq   protocol.Seq // of the first
}

// fill decides the next symbols, at most most of them, and appends them to out.
// A slot that it gives a new job keeps it until the next fill.
func (s *scheduler) fill(now time.Time, out []run, most int) []run {
	l := s.window.limit(now, s.alive, s.interval(), s.packet, s.last+1)
	s.free, s.spent = append(s.free, s.spent...), s.spent[:0]
	if s.last < l.begin {
		s.shut = time.Time{}
	} else if s.shut.IsZero() {
		s.shut = now
	}
	renewed := 0
	for idle := 0; idle < turns && most > 0 && s.last < l.all; s.turn = (s.turn + 1) % turns {
		slot := s.turns[s.turn]
		if s.jobs[slot].left == 0 {
			if renewed == slots-turns {
				break
			}
			next, ok := s.pick(now, s.turn < interleave, s.last < l.begin)
			if !ok {
				idle++
				continue
			}
			renewed++
			s.spent = append(s.spent, slot)
			last := len(s.free) - 1
			slot, s.free = s.free[last], s.free[:last]
			s.turns[s.turn], s.jobs[slot] = slot, next
		}
		idle = 0
		r := s.advance(slot, min(chunk, most))
		most -= r.count
		out = append(out, r)
	}
	s.held = len(out) == 0
	return out
}

// advance takes up to n symbols of the job in slot.
func (s *scheduler) advance(slot, n int) run {
	j := &s.jobs[slot]
	n = min(n, j.left)
	r := run{slot: slot, load: j.fresh, esi: j.esi % j.layout.N(), count: n, seq: s.last + 1}
	s.last += protocol.Seq(n)
	j.fresh = false
	j.esi += n
	j.object.sent[j.block] = s.last
	if j.left -= n; j.left == 0 {
		j.object.finish(j)
	}
	return r
}

// mostDebt is how many symbols may go before a whole block of the image that
// waits, beyond as many as the carousel sent itself: more than the repairs of
// any honest loss take, and few enough that nobody starves the room by asking
// for repairs without end.
const mostDebt = 8192

// stalled is how long no whole block may go before repairs that wait for the
// carousel go without it: receivers may have no room because of the very blocks
// that they heal.
const stalled = 250 * time.Millisecond

// pick returns the next job: the manifest, without which nothing can be
// written; repairs; and, for a turn of its own, what the carousel brings, whole
// blocks of it only if begin says that receivers have room for them.
func (s *scheduler) pick(now time.Time, own, begin bool) (job, bool) {
	if !own && s.debt > mostDebt {
		return job{}, false
	}
	if begin && s.debt > mostDebt {
		if j, ok := s.carousel(begin); ok {
			return j, true
		}
	}
	if j, ok := s.favoured(); ok {
		s.debt = min(s.debt+j.left, 2*mostDebt)
		return j, true
	}
	if !own {
		return job{}, false
	}
	if !begin && (s.shut.IsZero() || now.Sub(s.shut) < stalled) {
		if image := s.objects[protocol.ObjectImage]; image.whole.Next(0) < image.n {
			return job{}, false
		}
	}
	return s.carousel(begin)
}

// favoured returns the next job that goes before the carousel.
func (s *scheduler) favoured() (job, bool) {
	manifest, image := s.objects[protocol.ObjectManifest], s.objects[protocol.ObjectImage]
	if j, ok := manifest.takeRepair(); ok {
		return j, true
	}
	if j, ok := manifest.takeNext(0, s.proactive(), true); ok {
		return j, true
	}
	return image.takeRepair()
}

// carousel returns what comes next of the image. Who comes late takes the rest
// of the cycle with the others: what it missed lies behind the cursor, and
// comes in the next one together with what others missed.
func (s *scheduler) carousel(begin bool) (job, bool) {
	j, ok := s.objects[protocol.ObjectImage].takeNext(s.cursor, s.proactive(), begin)
	if begin && !ok && s.objects[protocol.ObjectImage].cycle == 0 {
		s.debt = 0 // nothing waits
	}
	if ok {
		if begin { // else the whole blocks before it are yet to come
			s.cursor = j.block + 1
		}
		s.debt = max(0, s.debt-j.left)
	}
	return j, ok
}

// proactive returns the parity to send unasked, as a fraction of k.
func (s *scheduler) proactive() float64 {
	if s.parity >= 0 {
		return s.parity
	}
	loss := s.loss
	if s.congestion.trial {
		loss = s.congestion.base // the rest may be our own doing
	}
	if loss < 0.002 {
		return 0
	}
	return loss / (1 - loss)
}

// flush returns the sequence for a FLUSH.
func (s *scheduler) flush() protocol.Seq {
	s.last++
	return s.last
}

// tick notes who is gone and, now and then, what the network loses.
func (s *scheduler) tick(now time.Time) {
	gone := false
	for _, m := range s.alive {
		if now.Sub(m.heard) > goneAfter+4*s.interval() {
			m.state = protocol.ReceiverGone
			m.leave(now)
			gone = true
		}
		if m.waits && now.Sub(m.dealt) >= dealEach {
			s.deal(now, m, m.deficits)
		}
	}
	if gone {
		s.enlist()
	}
	s.relax(now)
	if s.last-s.sampled < minWindow {
		s.began = now // a rest, but for some FLUSHes, says nothing of the rate
	}
	if dt := now.Sub(s.measured); dt >= 3*s.interval() && (s.last-s.sampled >= sample || dt >= sampleTime) {
		s.measure(now, dt)
	}
}

// measure takes stock of what the network lost since the last time.
func (s *scheduler) measure(now time.Time, dt time.Duration) {
	s.measured, s.sampled = now, s.last
	var losses, smooth, rates []float64
	for _, m := range s.alive {
		loss, rate, ok := m.measure()
		if ok {
			losses = append(losses, loss)
		}
		if rate > 0 {
			rates = append(rates, rate*float64(s.packet+wireOverhead))
		}
		if m.measured {
			smooth = append(smooth, m.loss)
		}
	}
	if len(smooth) > 0 {
		s.loss = median(smooth)
	}
	for _, m := range s.alive {
		m.apart = m.lossy(s.loss)
	}
	if len(losses) == 0 || s.congestion.wait && s.behind(s.turned) {
		return
	}
	delivered := 0.0
	if len(rates) > 0 {
		slices.Sort(rates)
		delivered = rates[len(rates)/2]
	}
	healed := s.congestion.update(dt, median(losses), delivered)
	if s.congestion.wait {
		s.turned = s.last
	}
	if healed {
		for _, m := range s.alive {
			m.loss = 0
		}
		s.loss = 0
	}
}

// median returns the middle of v, of two the lower: one bad cable of two is not
// what the room loses.
func median(v []float64) float64 {
	slices.Sort(v)
	return v[(len(v)-1)/2]
}

// idle reports whether nobody wants anything any more.
func (s *scheduler) idle() bool { return len(s.alive) == 0 }

// satisfied reports whether those that are not over only flush or verify.
func (s *scheduler) satisfied() bool {
	return !slices.ContainsFunc(s.alive, func(m *member) bool { return m.state <= protocol.ReceiverReceiving })
}
