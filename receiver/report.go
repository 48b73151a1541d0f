package receiver

import (
	"runtime"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// join asks for a place.
func (s *session) join(now time.Time) {
	s.joinAt = now
	if len(s.nonces) >= 64 {
		clear(s.nonces)
	}
	j := protocol.Join{
		Session: s.begun.Session, Receiver: s.cfg.ID, Run: s.run,
		Nonce: s.random.Uint64(), Cookie: s.cookie, Peer: s.port(), Name: s.cfg.Name,
	}
	s.nonces[j.Nonce] = now
	if d, err := j.AppendBinary(s.buffer[:0]); err == nil {
		s.buffer = d
		s.conn.WriteTo(d, s.begun.Report) // lost or refused: comes again
	}
}

// backlog is how many bytes of complete blocks may wait for the workers. It
// bridges the time between reports at 500 MB/s; a longer queue only grows cold:
// with all of the memory for it, a receiver took a tenth more processor time
// for the same blocks.
const backlog = 16 << 20

// spare returns the bytes that the sender may begin new blocks with.
func (s *session) spare() int {
	if s.pipe.undecided() {
		return s.collector.room() // a moment, for which the room should not wait
	}
	return max(0, min(s.collector.room(), backlog-s.waiting))
}

// interval is the time between reports that the sender asks for.
func (s *session) interval() time.Duration {
	return time.Duration(s.heard.IntervalMS) * time.Millisecond
}

// draw returns when the next report is due: not at the same time for all.
func (s *session) draw(now time.Time) time.Time {
	each := s.interval()
	return now.Add(each*3/4 + time.Duration(s.random.Int64N(int64(each/2)+1)))
}

// crowded is a room in which not all machines may tell something at once.
const crowded = 80

// soon returns when news is due that the sender waits for: now; in a crowd, in
// which all have the same news, any time within the interval.
func (s *session) soon(now time.Time) time.Time {
	if s.heard.Receivers < crowded {
		return now
	}
	return now.Add(time.Duration(s.random.Int64N(int64(s.interval()) + 1)))
}

// first returns when the first report is due: not at once, as machines that are
// switched on together all have one, and the sender soon tells them how many they
// are. A crowd takes its time, for more may come.
func (s *session) first(now time.Time) time.Time {
	within := s.interval()
	if s.heard.Receivers >= crowded {
		within *= 3
	}
	return now.Add(time.Duration(s.random.Int64N(int64(within) + 1)))
}

const (
	// promptEach is the least time between two reports, promptBelow the longest
	// interval of a room in which any may come before its time.
	promptEach = 2 * time.Millisecond

	// restEach is how often who is done reports, and stays only for others: the
	// sender knows how it ended.
	restEach    = 10 * time.Second
	promptBelow = 50 * time.Millisecond

	// further is by how much. A fast sender is never out of room then, and one
	// that waits for us goes on with the next few blocks.
	further = backlog / 4
)

// prompt reports whether the sender may go so much further than the last report
// told it that another must not wait for its time. In a large room it must: all
// machines would have something to say at once, and none could take more than
// its part of what the network brings.
func (s *session) prompt(now time.Time) bool {
	each := s.interval()
	if !s.admitted || s.ending || s.state != protocol.ReceiverReceiving || each > promptBelow || now.Sub(s.told.at) < max(promptEach, each/8) {
		return false
	}
	came := int(s.collector.asOf-min(s.told.asOf, s.collector.asOf)) * s.heard.SymbolSize
	return came+s.spare()-s.told.room >= further
}

// send reports our condition, and sets the time of the next report.
func (s *session) send(now time.Time) {
	s.reportAt = s.draw(now)
	switch {
	case s.acked:
		s.reportAt = now.Add(restEach)
	case s.ending && !s.state.Over():
		// Nothing is lacking, only the disk is busy.
		s.reportAt = now.Add(max(s.interval(), statusEach))
	}
	c := s.collector
	c.settle(s.data.Overflow())
	c.counters.Written = uint64(s.pipe.written.Load())
	c.counters.Decoding, c.counters.Writing = millis(s.pipe.decoding.Load()), millis(s.pipe.writing.Load())
	c.counters.Stray = s.stray()
	r := &s.report
	*r = protocol.Report{
		Session: s.begun.Session, Number: s.number, Cookie: s.cookie, Serial: r.Serial + 1,
		State: s.state, RTTMicro: uint32(min(s.rtt, time.Minute).Microseconds()),
		Room: uint32(s.spare() >> 10), Buffer: uint32(s.data.BufferSize() >> 10),
		Collecting: uint32(len(c.objects[protocol.ObjectImage].open)), Queued: uint32(s.queued),
		Counters: c.counters, Workers: uint16(s.cfg.Workers), Cores: uint16(runtime.NumCPU()),
		Error: s.failure, Deficits: r.Deficits, Recent: r.Recent[:0],
	}
	if s.ending && s.state == protocol.ReceiverReceiving {
		r.State = protocol.ReceiverFlushing
	}
	if s.begun.Bench {
		r.AsOf = c.asOf
		c.gaps.list(r)
	}
	if r.State.Over() {
		r.Deficits, r.Object = r.Deficits[:0], protocol.ObjectImage
	} else {
		c.deficits(r, s.size)
	}
	s.told.at, s.told.asOf, s.told.room = now, c.asOf, int(r.Room)<<10
	if d, err := r.AppendBinary(s.buffer[:0]); err == nil {
		s.buffer = d
		s.conn.WriteTo(d, s.begun.Report) // a lost report costs nothing
	}
}
