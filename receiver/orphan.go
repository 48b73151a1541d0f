package receiver

import (
	"fmt"
	"strings"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

const (
	// giveUp is how long we go on without a sender that others could replace. It
	// is time to start one again, and less than the half minute within which a
	// machine says that it has failed.
	giveUp = 20 * time.Second

	// doubt is how long the peers must have lacked a block, or brought none,
	// before that is taken for final.
	doubt = 8 * time.Second

	// countEach is how often it is counted what the peers have in all.
	countEach = time.Second
)

// takeUp goes on with a restarted sender: one of the same key that has the same
// image, in place of one that has fallen silent or ended. What is held stays;
// blocks that are being collected do too, if their symbols are of the same size.
// Who lacks nothing joins, too, for the new sender may wait for all that were
// here; but not who was done when the old one ended in good order.
func (s *session) takeUp(h Heard, now time.Time) {
	b := &s.begun
	same := h.PublicKey == b.PublicKey && h.ImageID == b.ImageID && h.Bench == b.Bench && !h.Bench &&
		h.RawSize == b.RawSize && h.PackedSize == b.PackedSize && h.ManifestSize == b.ManifestSize
	// A counter is the time of the announcement: one that was recorded before is
	// not from a sender that was started again.
	if !same || h.State.Over() || h.Counter <= s.heard.Counter || s.state == protocol.ReceiverFailed || s.state.Over() && s.heard.State == protocol.SessionEnded || s.silent(now) < orphanAfter {
		return
	}
	data, err := s.cfg.Network.Listen(h.Data, h.Report.Addr(), lookEach)
	if err != nil {
		return // it will be announced again
	}
	s.data.Close()
	s.data = data
	s.begun, s.heard = h, h
	s.sender.Store(&h)
	s.collector.restart(&h.Announce)
	s.lanes.plan.leave()
	clear(s.nonces)
	s.admitted, s.number, s.cookie, s.acked = false, 0, protocol.Cookie{}, false
	s.room, s.counted = Room{}, 0
	s.told.at, s.told.asOf, s.told.room = time.Time{}, 0, 0
	s.opened, s.heardAt, s.dataAt, s.symbolAt, s.joinAt, s.reportAt = now, now, now, now, time.Time{}, time.Time{}
	s.farewellAt = now
	s.notice("restarted", fmt.Sprintf("the sender was started again at %v: going on where it stopped", h.Report))
	s.lanes.mode, s.lanes.since = modeMulticast, now
}

// restart forgets what belongs to one session and keeps what belongs to the
// image.
func (c *collector) restart(a *protocol.Announce) {
	if a.SymbolSize != c.symbolSize {
		for i := range c.objects {
			o := &c.objects[i]
			for s, b := range o.open {
				delete(o.open, s)
				c.recycle(b)
			}
		}
	}
	c.symbolSize, c.last = a.SymbolSize, nil
	c.first, c.asOf, c.before, c.announced, c.gaps = 0, 0, 0, a.Highest, gaps{}
	c.since.asOf, c.since.received = a.Highest, 0
	n := &c.counters
	n.Received, n.Lost, n.Overflow, n.Gaps, n.Longest = 0, 0, 0, 0, 0
}

// take makes a block had that came by another lane, or was there already. What
// has been collected of it is given up.
func (c *collector) take(id protocol.Object, s protocol.SBN) {
	o := &c.objects[id]
	o.have.Add(int(s))
	if b := o.open[s]; b != nil {
		if c.last == b {
			c.last = nil
		}
		delete(o.open, s)
		c.recycle(b)
	}
}

// patience ends every wait that has lasted too long, with its reason.
func (s *session) patience(now time.Time) error {
	silent := s.silent(now)
	l := &s.lanes
	s.watch(now)
	switch {
	case s.state.Over():
		return nil
	case now.Sub(s.stall.since) > s.mayHang():
		return fmt.Errorf("%s: it hangs, or what it is connected by; check its cable, or replace it", s.stalled(now))
	case s.ending:
		return nil // the disk is ours alone now
	case !s.admitted && now.Sub(s.opened) > silence && silent < silence/4:
		return fmt.Errorf("the sender at %v does not answer though its announcements arrive: a firewall on its side or a wrong route on ours; check UDP to that address", s.begun.Report)
	case s.queued > 0:
		l.progressAt = now // the disk is what takes its time
	}
	switch {
	case l.mode == modeDeaf && s.cfg.Fetch == nil && now.Sub(s.symbolAt) > silence:
		return fmt.Errorf("%s", l.cause)
	case l.mode == modeDeaf && now.Sub(l.progressAt) > giveUp:
		return fmt.Errorf("%s; nothing came by unicast either for %v from other machines and the sender at %v%s", l.cause, giveUp, s.begun.Report.Addr(), l.why())
	case l.mode == modeOrphan:
		return s.forsaken(now, silent)
	}
	return nil
}

// mostNamed is how many machines a reason names.
const mostNamed = 3

// why returns what failed, for the end of a reason.
func (l *lanes) why() string {
	var all []string
	for _, d := range l.plan.dropped[:min(len(l.plan.dropped), mostNamed)] {
		all = append(all, fmt.Sprintf("%v %s", d.Peer, d.Reason))
	}
	if len(all) == 0 && l.fault != nil {
		all = append(all, "the last to be asked: "+l.fault.Error())
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}

// forsaken ends the wait for a sender when the other machines can't replace it.
func (s *session) forsaken(now time.Time, silent time.Duration) error {
	l := &s.lanes
	have := s.collector.objects[protocol.ObjectImage].have
	if now.Sub(l.countedAt) >= countEach {
		l.countedAt = now
		if l.missing, l.peers = l.plan.union(now, have); l.missing == 0 {
			l.wholeAt = now
		}
	}
	again := "start `pxecast send` again"
	cause := fmt.Sprintf("the sender fell silent %v ago: it crashed or the network is cut", silent.Round(time.Second))
	switch {
	case silent < giveUp:
	case s.collector.manifest == nil && now.Sub(l.progressAt) > giveUp-orphanAfter:
		return fmt.Errorf("%s, and no other machine gave us the manifest%s; %s", cause, l.why(), again)
	case s.collector.manifest != nil && l.peers == 0 && l.missing > 0 && now.Sub(l.wholeAt) > doubt:
		return fmt.Errorf("%s, and no other machine can be asked for the %d blocks that are lacking; %s", cause, have.Len()-have.Count(), again)
	case l.peers >= mostSources && now.Sub(l.progressAt) < doubt: // others may have what is lacking
	case s.collector.manifest != nil && l.missing > 0 && now.Sub(l.wholeAt) > doubt:
		return fmt.Errorf("%s, and %d of %d blocks are on none of the machines that answer, %d and this one%s; %s", cause, l.missing, have.Len(), l.peers, l.why(), again)
	case now.Sub(l.progressAt) > giveUp:
		return fmt.Errorf("%s, and the other machines have given nothing for %v%s; %s", cause, giveUp, l.why(), again)
	}
	return nil
}
