package sender

import (
	"slices"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// window is the flow control: how far the sender may run ahead of what the
// receivers have taken. It waits for the body of the group as long as it must
// and for its slowest third only a little, so that one bad machine never drags
// the room.
type window struct {
	// credit is how long the body may still wait for the slowest third. It
	// grows by patience of the time that passes.
	credit  time.Duration
	last    time.Time
	waiting bool // for the slowest third alone, since last
	anys    []protocol.Seq
	begins  []protocol.Seq
}

const (
	// patience is the share of its time that the body waits for its slowest
	// third: less than the 5 % that anybody would notice.
	patience    = 0.03
	mostCredit  = 250 * time.Millisecond
	minWindow   = 128                    // datagrams in flight to any receiver, however small its buffer
	silentAfter = 300 * time.Millisecond // without a report: not waited for any more
	deafAfter   = time.Second            // without a datagram: not waited for any more
	minInterval = 20 * time.Millisecond  // between reports of one receiver
)

// limit is how far the sender may go now.
type limit struct {
	all   protocol.Seq // any symbol
	begin protocol.Seq // a symbol of a block that starts here
}

const unlimited = ^protocol.Seq(0)

// limit decides from the members that still want something; next is the
// sequence that would be sent now.
func (w *window) limit(now time.Time, members []*member, interval time.Duration, packet int, next protocol.Seq) limit {
	w.anys, w.begins = w.anys[:0], w.begins[:0]
	for _, m := range members {
		if m.state > protocol.ReceiverReceiving || m.absent(now, interval, next-1) {
			continue
		}
		a, b := m.limits(now, interval, packet)
		w.anys, w.begins = append(w.anys, a), append(w.begins, b)
	}
	dt := now.Sub(w.last)
	if w.last.IsZero() {
		w.credit, dt = mostCredit, 0
	}
	w.last = now
	w.credit = min(w.credit+time.Duration(float64(dt)*patience), mostCredit)
	if w.waiting {
		w.credit -= min(dt, w.credit)
	}
	w.waiting = false
	if len(w.anys) == 0 {
		return limit{unlimited, unlimited}
	}
	slices.Sort(w.anys)
	slices.Sort(w.begins)
	slowest, body := limit{w.anys[0], w.begins[0]}, limit{w.anys[len(w.anys)/3], w.begins[len(w.begins)/3]}
	if slowest.allows(next) || !body.allows(next) {
		return slowest
	}
	if w.credit > 0 {
		w.waiting = true
		return slowest
	}
	return body
}

func (l limit) allows(next protocol.Seq) bool { return l.all >= next && l.begin >= next }
