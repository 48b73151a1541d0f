package sender

import (
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// sendRoster sends the page that starts at first.
func (s *session) sendRoster(first int, to netip.AddrPort) {
	all := s.sched.members
	s.roster = protocol.Roster{Session: s.id, Total: len(all), First: first, Places: s.roster.Places[:0]}
	for _, m := range all[first:min(len(all), first+s.page)] {
		s.roster.Places = append(s.roster.Places, protocol.Place{
			Number: m.number, State: m.state, Permille: s.permille(m),
			Peer: netip.AddrPortFrom(m.address.Addr(), m.peer),
		})
	}
	if d, err := s.roster.AppendBinary(s.buffer[:0]); err == nil {
		s.buffer = d
		// A lost page comes again in a second; an acknowledgement when the
		// report it answers is repeated.
		s.conn.WriteTo(d, to)
	}
}

func (s *session) permille(m *member) uint16 {
	if m.state == protocol.ReceiverDone {
		return 1000
	}
	raw := uint64(s.cfg.Source.Manifest().RawSize())
	return uint16(min(999, m.report.Counters.Written*1000/raw))
}

// acknowledge shows a receiver that its last report has arrived.
func (s *session) acknowledge(n protocol.Number) {
	s.sendRoster(int(n)/s.page*s.page, s.sched.members[n].address)
}

// mostDeaf is how many machines are told the roster by unicast in a second: full
// pages for so many are less than 3 Mbit/s.
const mostDeaf = 256

// rosterDeaf tells those that do not hear the group who is here, so that they
// find their peers: to each a page, the next one the next time.
func (s *session) rosterDeaf(now time.Time) {
	all := s.sched.members
	told := 0
	for range all {
		s.turn = (s.turn + 1) % len(all)
		m := all[s.turn]
		if !m.present() || !s.deaf(m, now) {
			continue
		}
		if m.roster >= len(all) {
			m.roster = 0
		}
		s.sendRoster(m.roster, m.address)
		m.roster += s.page
		if told++; told == mostDeaf {
			return
		}
	}
}

// deaf reports whether what the group is sent does not reach a member.
func (s *session) deaf(m *member, now time.Time) bool {
	return m.deaf(now, s.sched.interval(), s.sched.last)
}
