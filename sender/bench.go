package sender

import (
	"net/netip"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender/diagnosis"
)

// bench is what a bench session does beside sending: it probes the switches and
// keeps what tells where the room is weak.
type bench struct {
	probed  netip.AddrPort // the probe group
	joined  mcast.Reader   // our own membership there; nil if that failed
	probes  int            // sent
	probeAt time.Time      // the next
	losses  diagnosis.Losses
	tallies map[protocol.Number]*tally
	samples []diagnosis.Sample
	sampled time.Time
	last    protocol.Seq // then
}

// tally counts a receiver's reports.
type tally struct {
	reports, behind, clogged int
	before                   int    // probes that were sent before it came
	received, lost           uint64 // at the last sample
}

const (
	sampleEach = 500 * time.Millisecond
	// mostSamples bounds what a session keeps: nine hours.
	mostSamples = 1 << 16

	// behindRoom is what a receiver whose workers keep up has room for: half of
	// what may wait for them.
	behindRoom = 8 << 20
	// cloggedShare of what may be under way to a receiver fills its socket.
	cloggedShare = 0.7
)

// newBench joins the probe group of a data group, so that switches that filter
// know who wants it: this port and no other. Where that fails, they may still
// treat it as they treat groups that nobody wants.
func newBench(n mcast.Network, data netip.AddrPort) *bench {
	b := &bench{probed: protocol.ProbeGroup(data), tallies: map[protocol.Number]*tally{}}
	if r, err := n.Listen(b.probed, n.Addr(), 0); err == nil {
		b.joined = r
	}
	return b
}

func (b *bench) close() {
	if b.joined != nil {
		b.joined.Close()
	}
}

// report takes note of a report that was news.
func (b *bench) report(r *protocol.Report, s *scheduler) {
	b.losses.Add(r)
	t := b.tally(r.Number)
	if r.State != protocol.ReceiverReceiving {
		return
	}
	t.reports++
	if int64(r.Room)<<10 < behindRoom {
		t.behind++
	}
	if float64(s.last-r.AsOf)*float64(s.packet) > cloggedShare*float64(r.Buffer)*1024/2 {
		t.clogged++
	}
}

func (b *bench) tally(n protocol.Number) *tally {
	t := b.tallies[n]
	if t == nil {
		t = &tally{before: b.probes}
		b.tallies[n] = t
	}
	return t
}

// tell sends a probe and takes a sample when they are due.
func (b *bench) tell(now time.Time, s *session) {
	if s.state != protocol.SessionSending {
		return
	}
	if b.probes < protocol.Probes && !now.Before(b.probeAt) {
		b.probeAt = now.Add(protocol.ProbeEach * time.Millisecond)
		f := protocol.Flush{Session: s.id, Seq: protocol.Seq(b.probes + 1)}
		if d, err := f.AppendBinary(nil); err == nil && s.conn.WriteTo(d, b.probed) == nil {
			b.probes++
		}
	}
	if dt := now.Sub(b.sampled); dt >= sampleEach {
		b.sample(dt, s.sched)
		b.sampled = now
	}
}

// sample notes what was sent and what arrived since the last one.
func (b *bench) sample(dt time.Duration, s *scheduler) {
	var received, lost []float64
	for _, m := range s.alive {
		c, t := m.report.Counters, b.tally(m.number)
		if c.Received >= t.received && t.received > 0 {
			received = append(received, float64(c.Received-t.received))
			lost = append(lost, max(0, float64(c.Lost)-float64(t.lost)))
		}
		t.received, t.lost = c.Received, c.Lost
	}
	if len(received) > 0 && len(b.samples) < mostSamples && !b.sampled.IsZero() {
		b.samples = append(b.samples, diagnosis.Sample{
			Seconds: dt.Seconds(), Sent: uint64(s.last - b.last), Received: median(received), Lost: median(lost),
		})
	}
	b.last = s.last
}

// room returns what was measured; st is the session's last status.
func (b *bench) room(s *scheduler, st *Status) *diagnosis.Room {
	r := &diagnosis.Room{Packets: st.Traffic.Packets, Bytes: st.Traffic.Bytes, Seconds: st.Seconds(), Probes: b.probes, Samples: slices.Clone(b.samples)}
	shared := b.losses.Shared()
	for i, m := range s.members {
		v, t := &st.Receivers[i], b.tally(m.number)
		r.Receivers = append(r.Receivers, diagnosis.Receiver{
			Name: v.Name, State: v.State, Error: v.Error, Seconds: v.Seconds, Counters: v.Counters,
			Workers: int(m.report.Workers), Cores: int(m.report.Cores), Probes: b.probes - t.before,
			Shared: shared[m.number], Period: b.losses.Period(m.number),
			Behind: share(t.behind, t.reports), Clogged: share(t.clogged, t.reports),
			Deaf: max(0, m.ended.Sub(m.asOfAt).Seconds()),
		})
	}
	return r
}

func share(part, whole int) float64 { return float64(part) / float64(max(1, whole)) }
