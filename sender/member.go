package sender

import (
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/protocol"
)

// member is one receiver as its latest report describes it.
type member struct {
	number  protocol.Number
	id      protocol.ReceiverID
	run     uint64
	name    string
	address netip.AddrPort
	peer    uint16 // TCP port of its peer service, 0 none
	roster  int    // first place of the roster that it is told next, while it does not hear the group

	joined, heard, ended time.Time
	state                protocol.ReceiverState
	report               protocol.Report // the latest, without its deficits
	reported             time.Time       // like heard, but for JOINs
	dealt                time.Time       // when deficits were last looked at
	waits                bool            // those of the latest report are still to be
	deficits             []protocol.Deficit
	page                 page             // that was looked at last
	pages                allowance        // to look at
	lacks                [2]*blockset.Set // by object, as far as its reports told; nil: none

	held    float64 // share of the time that the room waits for it alone
	overrun overrun
	apart   bool // it loses far more than the others: its repairs wait, and so do we not for its room

	asOf     protocol.Seq      // as of the latest report
	asOfAt   time.Time         // when it last moved, or was all that had been sent
	pace     float64           // packets a second that asOf moves by
	paced    protocol.Seq      // asOf when that was last measured
	pacedAt  time.Time         // the time of that report
	loss     float64           // smoothed fraction of datagrams that the network lost, 0..1
	measured bool              // loss says something
	seen     protocol.Counters // at the last measure of loss
	mark     mark              // from which on arrivals are measured
}

// mostSilent is how many receivers of one address may have a place and never have
// reported: one machine with many names shall not fill the session. Behind a NAT
// there may be a room, but that reports.
const mostSilent = 64

// mark is how many datagrams had arrived by a report.
type mark struct {
	at       time.Time // of the report
	received uint64
}

// present reports whether the member still wants something.
func (m *member) present() bool { return !m.state.Over() }

// absent reports whether nobody should wait for the member: it has missed
// several reports, so it may be gone; or what is sent, up to last, has not
// reached it for a while, so it can't hear the group.
func (m *member) absent(now time.Time, interval time.Duration, last protocol.Seq) bool {
	return now.Sub(m.heard) > max(5*interval, silentAfter) || m.deaf(now, interval, last)
}

// deaf reports whether what was sent to the group, up to last, has not reached
// the member for a while.
func (m *member) deaf(now time.Time, interval time.Duration, last protocol.Seq) bool {
	return m.asOf < last && now.Sub(m.asOfAt) > max(3*interval, deafAfter)
}

// update takes over what a report says of the receiver itself; last is the
// latest sequence that was sent.
func (m *member) update(now time.Time, r *protocol.Report, last protocol.Seq) {
	// Reports may come together: their distance says nothing then.
	if dt := now.Sub(m.pacedAt); dt > minInterval/2 {
		if r.AsOf > m.paced && m.paced != 0 {
			m.pace += (float64(r.AsOf-m.paced)/dt.Seconds() - m.pace) / 4
		}
		m.paced, m.pacedAt = r.AsOf, now
	}
	if r.AsOf > m.asOf || r.AsOf == last {
		m.asOf, m.asOfAt = r.AsOf, now
	}
	m.heard, m.reported = now, now
	m.report = *r
	m.report.Deficits, m.report.Recent = nil, nil // they are the caller's
	if m.state = r.State; m.state.Over() {
		m.leave(now)
	}
}

// leave notes that the member wants nothing more. If it comes back its reports
// tell anew what it lacks.
func (m *member) leave(now time.Time) {
	m.ended = now
	m.lacks, m.deficits, m.waits = [2]*blockset.Set{}, nil, false
}

// measure updates the member's loss from what its counters did since the last
// measure. Datagrams that its own socket dropped are not the network's. Late
// and doubled ones take back some of what was counted as lost. The rate is in
// datagrams a second that reached it between two of its reports; 0 is unknown.
func (m *member) measure() (loss, rate float64, ok bool) {
	c := m.report.Counters
	received := float64(c.Received) - float64(m.seen.Received)
	lost := max(0, float64(c.Lost)-float64(m.seen.Lost))
	if received < 0 || received+lost < 64 {
		return 0, 0, false
	}
	loss = lost / (received + lost)
	m.loss += (loss - m.loss) / 2
	if dt := m.reported.Sub(m.mark.at).Seconds(); dt > 0 {
		rate = (float64(c.Received) - float64(m.mark.received)) / dt
	}
	m.seen, m.mark, m.measured = c, mark{m.reported, c.Received}, true
	return loss, rate, true
}

// limit returns the highest sequence that the member can take without its
// socket overflowing, and the highest at which blocks new to it can begin.
// Between reports that are far apart it is taken to go on receiving as it did, up
// to last; whether its workers do, and so make room, nobody knows. In a crowd
// that is taken for granted: its reports are too rare to wait for.
func (m *member) limit(now time.Time, interval time.Duration, crowd bool, packet int, last protocol.Seq) limit {
	asOf := float64(m.asOf)
	at := asOf
	if interval > 4*minInterval {
		at = min(at+m.pace*min(now.Sub(m.asOfAt), interval).Seconds(), float64(last))
	}
	socket := float64(m.report.Buffer) * 1024 / 2 / float64(packet)
	// Blocks that began but of which nothing arrived yet hold no memory there.
	room := max(0, float64(m.report.Room)*1024-interleave*protocol.BlockSize) / float64(packet)
	begin := asOf + room
	if crowd {
		begin = at + room
	}
	if m.apart {
		begin = float64(last) + unbounded
	}
	return limit{all: protocol.Seq(at + max(socket, minWindow)), begin: protocol.Seq(begin)}
}

// unbounded is more datagrams than are ever sent at once.
const unbounded = 1 << 20

// behind reports whether half of the members have not yet taken in all up to q.
func (s *scheduler) behind(q protocol.Seq) bool {
	n := 0
	for _, m := range s.alive {
		if m.asOf < q {
			n++
		}
	}
	return 2*n > len(s.alive)
}
