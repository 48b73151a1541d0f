package sender

import (
	"context"
	"errors"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// tell sends announcement, roster and status when they are due.
func (s *session) tell(now time.Time) error {
	// Receivers that are to report more often must know at once; and those of a
	// crowd that gathers, that they are to report less often.
	each := s.sched.interval()
	if now.Sub(s.announced) >= announceEach || 2*each < s.told || each > max(2*s.told, announceEach) {
		s.announced = now
		if err := s.announce(now); err != nil {
			return err
		}
	}
	if now.Sub(s.rostered) >= rosterEach && len(s.sched.members) > 0 {
		s.rostered = now
		for first := 0; first < len(s.sched.members); first += s.page {
			s.sendRoster(first, s.group)
		}
		s.rosterDeaf(now)
	}
	if now.Sub(s.shown) >= statusEach {
		s.shown = now
		s.cfg.Status(s.status(now))
	}
	if s.bench != nil {
		s.bench.tell(now, s)
	}
	return nil
}

func (s *session) announce(now time.Time) error {
	m := s.cfg.Source.Manifest()
	s.told = s.sched.interval()
	s.counter = max(s.counter+1, uint64(now.UnixMicro()))
	a := protocol.Announce{
		Session: s.id, Counter: s.counter, State: s.state, Bench: s.cfg.Bench, ImageID: [32]byte(m.ID()),
		RawSize: m.RawSize(), PackedSize: m.PackedSize(), ManifestSize: len(m.Bytes()), SymbolSize: s.symbol,
		Data: s.group, Report: s.conn.LocalAddr(), HTTP: s.http, TFTP: s.tftp, Highest: s.sched.last,
		IntervalMS: int(s.told / time.Millisecond),
		Name:       s.cfg.Name, Reason: s.reason, PublicKey: s.cfg.Key.Public(),
	}
	for _, m := range s.sched.members {
		if m.state != protocol.ReceiverGone {
			a.Receivers++
		}
		if m.state == protocol.ReceiverDone {
			a.Done++
		}
	}
	d, err := a.AppendBinary(s.buffer[:0], s.signer(protocol.ContextAnnounce))
	if err != nil {
		return err
	}
	s.buffer = d
	s.control.answers.announced(d)
	return s.conn.WriteTo(d, protocol.Discovery)
}

// end announces the end of the session, several times in case some are lost.
func (s *session) end(err error) {
	s.state = protocol.SessionEnded
	if err != nil {
		s.state, s.reason = protocol.SessionCancelled, protocol.Text(reason(err), protocol.MaxText)
	}
	for range 5 {
		now := time.Now()
		if s.announce(now) != nil {
			return
		}
		for _, m := range s.sched.alive {
			if s.deaf(m, now) {
				s.conn.WriteTo(s.buffer, m.address)
			}
		}
		time.Sleep(announceEach / 10)
	}
}

// reason puts the error into words for the people at the receivers.
func reason(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "cancelled at the sender"
	case errors.Is(err, mcast.ErrTooLarge):
		return "the sender's network takes only smaller datagrams than it said"
	}
	return err.Error()
}
