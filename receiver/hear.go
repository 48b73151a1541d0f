package receiver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// datagram takes one datagram of the data group.
func (s *session) datagram(d []byte) {
	v, err := protocol.ParseData(d)
	if err == nil {
		if v.Session != s.begun.Session || !s.collector.possible(v.Seq) {
			return
		}
		s.symbols, s.ours = true, true
		if s.onItsWay(&v) {
			s.collector.see(v.Seq)
		} else if b := s.collector.accept(&v); b != nil {
			b.came = time.Now()
			s.place(b)
		}
		return
	}
	if err != protocol.ErrType {
		return
	}
	if f, err := protocol.ParseFlush(d); err == nil && f.Session == s.begun.Session {
		s.ours = s.collector.see(f.Seq) || s.ours
	} else if err == protocol.ErrType {
		s.roster(d)
	}
}

// place hands a complete block on to where it belongs.
func (s *session) place(b *block) {
	switch {
	case b.object == protocol.ObjectManifest:
		s.manifestBlock(b)
	case s.collector.manifest == nil:
		s.held = append(s.held, b)
	default:
		s.queued++
		s.waiting += len(b.buffer)
		s.pipe.work <- b // as wide as the memory for blocks
	}
}

// manifestBlock copies a block of object 0 to its place.
func (s *session) manifestBlock(b *block) {
	frame, err := s.rebuilder.frame(b)
	if err == nil {
		copy(s.bytes[int64(b.sbn)*protocol.BlockSize:], frame)
	}
	s.collector.release(b, err == nil)
}

// learn parses the manifest once it is whole, and lets the writing begin.
func (s *session) learn(ctx context.Context) error {
	have := s.collector.objects[protocol.ObjectManifest].have
	if s.collector.manifest != nil || have.NextAbsent(0) < have.Len() {
		return nil
	}
	if image.ID(image.Sum(s.bytes)) != s.heard.Image() {
		have.RemoveRange(0, have.Len())
		s.collector.counters.Rejected++
		return s.rejectManifest(time.Now())
	}
	m, err := image.ParseManifest(s.bytes)
	if err != nil {
		return err
	}
	if m.RawSize() != s.begun.RawSize {
		return fmt.Errorf("the manifest is of an image of %d bytes, announced were %d: nothing was written", m.RawSize(), s.begun.RawSize)
	}
	s.reportAt = s.soon(time.Now()) // what is lacking now is another object
	s.store.manifest.Store(m)
	held := s.collector.learn(m, s.held)
	s.state = protocol.ReceiverReceiving
	s.pipe.start(ctx, m, s.cfg.Workers)
	s.checked(time.Now())
	for _, b := range held {
		s.place(b)
	}
	s.held = nil
	return nil
}

// results takes what the pipeline has done.
func (s *session) results(ctx context.Context, now time.Time) error {
	if err := s.learn(ctx); err != nil {
		return err
	}
	s.checked(now)
	for {
		select {
		case r := <-s.pipe.results:
			if err := s.result(r, now); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *session) result(r result, now time.Time) error {
	if r.block != nil {
		s.queued--
		s.waiting -= len(r.block.buffer)
		ok := r.err == nil
		if r.reused {
			// It was on the disk: it came for others, or was asked for too soon.
		} else if ok {
			s.collector.counters.Lanes[r.block.way]++
			s.lanes.plan.right(r.block.from)
			s.right(r.block, now)
		} else if !errors.Is(r.err, errDigest) {
			return r.err
		} else if r.block.way != wayMulticast {
			s.lanes.plan.wrong(r.block.from)
		} else if err := s.reject(r.block.sbn, now); err != nil {
			return err
		}
		if ok {
			s.store.add(r.block.sbn)
		}
		s.collector.release(r.block, ok)
		return nil
	}
	if r.err != nil {
		return r.err
	}
	switch r.step {
	case stepZeros:
		s.zeros = true
	case stepFlushed:
		s.stall.since = now // a flush may take the disk longer than anything else
		if s.cfg.Verify {
			s.state = protocol.ReceiverVerifying
		}
	case stepFinished:
		s.state, s.ended, s.farewellAt, s.reportAt = protocol.ReceiverDone, now, now, s.soon(now)
	}
	return nil
}

// control reads what the sender says to us alone.
func (s *session) control(ctx context.Context) {
	b := mcast.NewBatch(2)
	for {
		if err := s.conn.Read(b, time.Time{}); err != nil {
			if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
				return
			}
			time.Sleep(lookEach) // an error that stays must not spin
			continue
		}
		for d, from := range b.Datagrams() {
			if from == s.sender.Load().Report {
				s.unicast(d)
			}
		}
	}
}

// unicast takes one datagram that the sender sent to us alone.
func (s *session) unicast(d []byte) {
	h, err := protocol.ParseHeader(d)
	if err != nil || h.Session != s.sender.Load().Session {
		return
	}
	switch h.Type {
	case protocol.TypeWelcome:
		if w, signed, err := protocol.ParseWelcome(d); err == nil &&
			(w.Status == protocol.WelcomeChallenge || s.verifyKey(signed, w.Signature)) {
			s.tell(w)
		}
	case protocol.TypeRoster:
		var r protocol.Roster
		if protocol.ParseRoster(d, &r) == nil {
			s.tell(r)
		}
	case protocol.TypeAnnounce:
		// The sender has noticed that we hear no multicast. Its counter is
		// checked where it is used.
		if a, signed, err := protocol.ParseAnnounce(d); err == nil &&
			s.sender.Load().Key().Verify(protocol.ContextAnnounce, signed, trust.Signature(a.Signature)) {
			s.announcement(Heard{Announce: a, At: time.Now(), Unicast: true})
		}
	}
}

// announcement passes on what the discovery group says of our session, or of
// another one of the same sender with the same image.
func (s *session) announcement(h Heard) {
	if b := s.sender.Load(); h.PublicKey == b.PublicKey && (h.Session == b.Session || h.ImageID == b.ImageID) {
		s.tell(h)
	}
}

// tell queues news for the session's goroutine. When that is far behind, news
// is dropped: all of it is repeated.
func (s *session) tell(n any) {
	select {
	case s.news <- n:
	default:
	}
}

// listen takes the news.
func (s *session) listen(now time.Time) error {
	for {
		select {
		case n := <-s.news:
			var err error
			switch n := n.(type) {
			case Heard:
				err = s.heardAgain(n, now)
			case protocol.Welcome:
				err = s.welcome(n, now)
			case protocol.Roster:
				s.answeredAt = now
				s.places(&n)
			}
			if err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (s *session) heardAgain(h Heard, now time.Time) error {
	b := &s.begun
	if h.Session != b.Session {
		s.takeUp(h, now)
		return nil
	}
	if h.Counter <= s.heard.Counter || h.Bench != b.Bench || h.ImageID != b.ImageID || h.Data != b.Data || h.Report != b.Report ||
		h.SymbolSize != b.SymbolSize || h.RawSize != b.RawSize || h.PackedSize != b.PackedSize || h.ManifestSize != b.ManifestSize {
		return nil // replayed, or not as it began: not ours
	}
	sooner, grown := h.IntervalMS < s.heard.IntervalMS, h.IntervalMS > 2*s.heard.IntervalMS
	if quiet := s.silent(now); !s.admitted && quiet >= silence/4 {
		s.opened = s.opened.Add(quiet - silence/4) // it was not there to answer
	}
	if s.heard, s.heardAt = h, now; !h.Unicast {
		s.multicastAt = now
	}
	if soon := s.draw(now); sooner && soon.Before(s.reportAt) && !s.ending {
		s.reportAt = soon
	}
	if grown && s.admitted && s.report.Serial == 0 {
		s.reportAt = s.first(now)
	}
	s.collector.hear(h.Highest)
	if s.ending || s.state.Over() || !h.State.Over() {
		return nil
	}
	if h.State == protocol.SessionCancelled {
		return fmt.Errorf("the session was cancelled: %s", h.Reason)
	}
	return errors.New("the session ended before this disk was complete: start `pxecast send` again")
}

func (s *session) welcome(w protocol.Welcome, now time.Time) error {
	sentAt, ok := s.nonces[w.Nonce]
	if !ok || w.Receiver != s.cfg.ID || s.admitted {
		return nil
	}
	delete(s.nonces, w.Nonce) // a second copy of an answer asks for nothing more
	s.rtt, s.answeredAt = now.Sub(sentAt), now
	if w.Status != protocol.WelcomeChallenge {
		s.provenAt = now // it is signed
	}
	switch w.Status {
	case protocol.WelcomeChallenge:
		s.cookie = w.Cookie
		s.join(now)
	case protocol.WelcomeFull:
		if s.ending || s.state.Over() {
			return nil // this disk needs no sender any more
		}
		return fmt.Errorf("the session is full: %d machines are in it", protocol.MaxReceivers)
	case protocol.WelcomeAdmitted:
		s.admitted, s.number, s.cookie = true, w.Number, w.Cookie
		s.dataAt, s.symbolAt = now, now
		s.reportAt = s.first(now)
	}
	return nil
}

// roster takes a page that everybody hears.
func (s *session) roster(d []byte) {
	var r protocol.Roster
	if protocol.ParseRoster(d, &r) == nil && r.Session == s.begun.Session {
		s.ours = true
		s.places(&r)
	}
}

// peers takes note of who could be asked for blocks.
func (s *session) peers(r *protocol.Roster) {
	if s.cfg.Fetch == nil {
		return
	}
	if s.admitted && r.Total > 0 {
		s.lanes.plan.rank, s.lanes.plan.of = int(s.number)%r.Total, r.Total
	}
	for _, p := range r.Places {
		o, absent := origin{peerHTTP, p.Peer}, p.State == protocol.ReceiverFailed || p.State == protocol.ReceiverGone
		if int(p.Number) < s.lanes.plan.of {
			s.lanes.plan.seat(int(p.Number), o, absent)
		}
		ours := s.admitted && p.Number == s.number
		if s.cfg.Subnet.IsValid() && !s.cfg.Subnet.Contains(p.Peer.Addr()) {
			continue // a roster is not signed, and a peer serves its own subnet only
		}
		if ours {
			s.lanes.plan.part(o) // it may have been met before we knew our number
		} else if !absent && p.Peer.IsValid() && p.Peer.Port() != 0 {
			s.lanes.plan.meet(o, p.State != protocol.ReceiverJoined)
		}
	}
}

// places sums up the room and looks for our own place: a sender that knows
// how we ended needs no more reports.
func (s *session) places(r *protocol.Roster) {
	if s.state.Over() && s.admitted {
		s.acked = s.acked || slices.ContainsFunc(r.Places, func(p protocol.Place) bool { return p.Number == s.number && p.State == s.state })
	}
	s.peers(r)
	if r.First == 0 {
		s.tally, s.counted = Room{Slowest: 1000}, 0
	}
	s.total = r.Total
	if r.First != s.counted {
		return // a page was lost, or this one is for us alone
	}
	s.counted += len(r.Places)
	for _, p := range r.Places {
		switch p.State {
		case protocol.ReceiverGone:
			continue
		case protocol.ReceiverDone:
			s.tally.Done++
		case protocol.ReceiverFailed:
			s.tally.Failed++
		}
		s.tally.Machines++
		s.tally.Slowest = min(s.tally.Slowest, int(p.Permille))
	}
	if s.counted == s.total {
		s.room = s.tally
	}
}
