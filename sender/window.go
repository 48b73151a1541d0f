package sender

import (
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// window is the flow control: how far the sender may run ahead of what the
// receivers have taken. It waits for all that keep up more or less, because
// what they would shed or lose is sent again to everybody; but not for one
// that would hold up the room: that is overrun, and gets its blocks later.
type window struct {
	last    time.Time
	slow    []*member    // that alone held us back at the last decision
	front   protocol.Seq // the most that one that is waited for has taken
	present []*member    // scratch
}

const (
	crowded     = 80          // members: so many report less often than 4 × minInterval at the best
	minWindow   = 128         // datagrams in flight to any receiver, however small its buffer
	silentAfter = time.Second // without a report: not waited for any more
	deafAfter   = time.Second // without a datagram: not waited for any more
)

// limit is how far the sender may go now.
type limit struct {
	all   protocol.Seq // any symbol
	begin protocol.Seq // a symbol of a block that starts here
}

const unlimited = ^protocol.Seq(0)

func (l limit) allows(next protocol.Seq) bool { return l.all >= next && l.begin >= next }

func (l limit) and(m limit) limit { return limit{min(l.all, m.all), min(l.begin, m.begin)} }

// limit decides from the members that still want something; next is the
// sequence that would be sent now. When nobody who wants data hears it, none
// may go: a FLUSH finds out when they are back.
func (w *window) limit(now time.Time, members []*member, interval time.Duration, packet int, next protocol.Seq) limit {
	w.blame(now, members)
	w.present = w.present[:0]
	overrun, absent := 0, 0
	crowd := len(members) > crowded
	for _, m := range members {
		if m.state > protocol.ReceiverReceiving || crowd && m.report.Serial == 0 {
			continue // of a crowd, who has not reported yet is not waited for
		}
		if m.absent(now, interval, next-1) {
			absent++
			continue
		}
		w.present = append(w.present, m)
		if m.overrun.is() {
			overrun++
		} else {
			w.front = max(w.front, m.report.AsOf)
		}
	}
	if absent > 0 && len(w.present) == 0 {
		return limit{}
	}
	for ; overrun > len(w.present)/2; overrun-- {
		w.latest().overrun.end() // the others are done: these are the body of the room
	}
	l := limit{unlimited, unlimited}
	for _, m := range w.present {
		own := m.limit(now, interval, crowd, packet, next-1)
		if m.overrun.is() {
			m.overrun.review(now, m, own.allows(next), w.front)
			continue
		}
		l = l.and(own)
		if !own.allows(next) {
			w.slow = append(w.slow, m)
		}
	}
	// What holds back more than those few is the room's own pace.
	if len(w.slow)+overrun > few(len(w.present)) {
		w.slow = w.slow[:0]
	}
	return l
}

// few is how many of n the others need not wait for. More are the body of the
// room; but of two, one is.
func few(n int) int {
	if n == 2 {
		return 1
	}
	return n / 3
}

// latest returns who was overrun last of those present: most likely the fastest of
// them, as the slowest holds all others up before the next one can.
func (w *window) latest() (l *member) {
	for _, m := range w.present {
		if m.overrun.is() && (l == nil || m.overrun.since.After(l.overrun.since)) {
			l = m
		}
	}
	return l
}

// blame brings each member's share of the time up to date that it alone, or
// with few others, has held us back; who has for too long is overrun.
func (w *window) blame(now time.Time, members []*member) {
	dt := now.Sub(w.last)
	if w.last.IsZero() {
		dt = 0
	}
	w.last = now
	part := min(1, float64(dt)/float64(heldTime))
	for _, m := range members {
		m.held -= m.held * part
	}
	for _, m := range w.slow {
		if m.held += part; m.held > heldMost && m.overrun.begin(now, m, w.front) {
			m.held = 0
		}
	}
	w.slow = w.slow[:0]
}
