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

	joined, heard, ended time.Time
	state                protocol.ReceiverState
	report               protocol.Report // the latest, without its deficits
	lacks                [2]*blockset.Set
	told                 [2]bool // lacks is what it said, not a guess

	held    float64       // share of the time that the room waits for it alone
	overrun time.Time     // not waited for until then
	penalty time.Duration // for how long it was not, the last time

	asOf   protocol.Seq // as of the latest report
	asOfAt time.Time
	pace   float64           // packets a second that asOf moves by
	loss   float64           // smoothed fraction of datagrams that the network lost
	seen   protocol.Counters // at the last measure of loss
	seenAt time.Time
}

// present reports whether the member still wants something.
func (m *member) present() bool { return !m.state.Over() }

// absent reports whether nobody should wait for the member: it has missed
// several reports, so it may be gone; or what is sent, up to last, has not
// reached it for a while, so it can't hear the group.
func (m *member) absent(now time.Time, interval time.Duration, last protocol.Seq) bool {
	return now.Sub(m.heard) > max(5*interval, silentAfter) ||
		m.asOf < last && now.Sub(m.asOfAt) > max(3*interval, deafAfter)
}

// update takes over what a report says of the receiver itself.
func (m *member) update(now time.Time, r *protocol.Report) {
	if dt := now.Sub(m.asOfAt).Seconds(); r.AsOf > m.asOf && m.asOf != 0 && dt > 0 {
		m.pace += (float64(r.AsOf-m.asOf)/dt - m.pace) / 4
	}
	if r.AsOf >= m.asOf {
		m.asOf, m.asOfAt = r.AsOf, now
	}
	m.heard = now
	deficits := m.report.Deficits
	m.report = *r
	m.report.Deficits = deficits[:0]
	if m.state = r.State; m.state.Over() {
		m.ended = now
		for _, l := range m.lacks {
			l.RemoveRange(0, l.Len())
		}
	}
}

// measure updates the member's loss from what its counters did since the last
// measure. Datagrams that its own socket dropped are not the network's.
func (m *member) measure(now time.Time) (loss float64, rate float64, ok bool) {
	c := m.report.Counters
	received, lost := c.Received-m.seen.Received, c.Lost-m.seen.Lost
	if c.Received < m.seen.Received || c.Lost < m.seen.Lost || received+lost < 64 {
		return 0, 0, false
	}
	loss = float64(lost) / float64(received+lost)
	rate = float64(received) / now.Sub(m.seenAt).Seconds()
	m.loss += (loss - m.loss) / 2
	m.seen, m.seenAt = c, now
	return loss, rate, true
}

// limit returns the highest sequence that the member can take without its
// socket overflowing, and the highest at which blocks new to it can begin.
// Between reports that are far apart it is taken to go on as it did.
func (m *member) limit(now time.Time, interval time.Duration, packet int) limit {
	at := float64(m.asOf)
	if interval > 4*minInterval {
		at += m.pace * min(now.Sub(m.asOfAt), 2*interval).Seconds()
	}
	socket := float64(m.report.Buffer) * 1024 / 2 / float64(packet)
	// Blocks that began but of which nothing arrived yet hold no memory there.
	room := max(0, float64(m.report.Room)*1024-interleave*protocol.BlockSize) / float64(packet)
	return limit{all: protocol.Seq(at + max(socket, minWindow)), begin: protocol.Seq(at + room)}
}
