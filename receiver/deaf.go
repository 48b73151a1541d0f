package receiver

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

const (
	// deafAfter is how long no symbol may come though some were sent. People are
	// told why within five seconds.
	deafAfter = 4 * time.Second

	// orphanAfter is how long the sender may say nothing: thirty announcements,
	// and more of everything else.
	orphanAfter = 3 * time.Second

	// reachEach is how often that is looked at, which takes a while with
	// millions of blocks.
	reachEach = 50 * time.Millisecond
)

// signs are what tells a receiver how its sender can be heard. Times are how
// long ago it was.
type signs struct {
	mode     mode // so far
	lacking  bool // anything
	admitted bool
	silent   time.Duration // the sender, by whatever way
	symbol   time.Duration // the last symbol, or our admission
	back     bool          // a symbol has come since the mode began
	cut      bool          // symbols were sent since the last one, and did not come
}

// next returns by which lanes blocks are to come.
func (g signs) next() mode {
	switch {
	case !g.lacking:
		return modeMulticast
	case g.silent >= orphanAfter:
		return modeOrphan
	case g.mode == modeDeaf && !g.back:
		return modeDeaf // that little is sent while all are deaf proves nothing
	case g.admitted && g.symbol >= deafAfter && g.cut:
		return modeDeaf
	}
	return modeMulticast
}

// traces are what does reach a machine that no symbols reach.
type traces struct {
	group     netip.AddrPort
	sender    netip.Addr
	before    bool // symbols did come
	short     bool // other datagrams of the group come
	announced bool // announcements come by multicast
	remote    bool // the sender is not in our subnet
}

// cause returns the likely cause, and what to do.
func (c traces) cause() string {
	g := c.group.Addr()
	switch {
	case c.short:
		return fmt.Sprintf("short datagrams of group %v arrive but none of the long ones: the MTU of the path is below the sender's; use the same MTU on all machines and on the switch", g)
	case c.remote && !c.announced:
		return fmt.Sprintf("the sender at %v answers but no multicast comes from there: it is in another network, and the routers in between do not forward multicast or its TTL is used up; put both into one network", c.sender)
	case !c.announced && c.before:
		return "no multicast arrives any more though the sender answers: a switch stopped forwarding it (IGMP snooping without a querier; `pxecast send --querier on` is one) or a firewall was switched on here"
	case !c.announced:
		return "no multicast arrives at all though the sender answers: a firewall here, a switch or access point that filters multicast, or --interface names the wrong network"
	case c.before:
		return fmt.Sprintf("data of group %v came and then stopped though announcements still arrive: a switch has forgotten this machine (IGMP snooping without a querier); `pxecast send --querier on` is a querier", g)
	}
	return fmt.Sprintf("announcements arrive but no data of group %v: a switch filters multicast (IGMP snooping without a querier; `pxecast send --querier on` is one) or a firewall drops that group", g)
}

// traces returns what reaches us.
func (s *session) traces(now time.Time) traces {
	sender := s.begun.Report.Addr()
	return traces{
		group: s.begun.Data, sender: sender,
		before: s.collector.since.received > 0, short: now.Sub(s.dataAt) < orphanAfter/2,
		announced: now.Sub(s.multicastAt) < orphanAfter/2,
		remote:    s.cfg.Subnet.IsValid() && !s.cfg.Subnet.Contains(sender),
	}
}

// unsignedFor is how long datagrams that are not signed may stand for a sender that
// gives no better sign of life. It bridges lost announcements; who forges data
// holds up a room whose sender is dead for no longer.
const unsignedFor = 5 * time.Second

// silent returns for how long nothing was heard of the sender. Only the sender
// signs announcements and welcomes, and makes blocks that have their digests:
// recorded ones count once, as every block does. Anybody may make symbols that
// fit, FLUSHes and rosters.
func (s *session) silent(now time.Time) time.Duration {
	sure, maybe := s.heardAt, s.dataAt
	if s.provenAt.After(sure) {
		sure = s.provenAt
	}
	if s.answeredAt.After(maybe) {
		maybe = s.answeredAt
	}
	if end := sure.Add(unsignedFor); maybe.After(end) {
		maybe = end
	}
	if maybe.After(sure) {
		sure = maybe
	}
	return now.Sub(sure)
}

// lacking reports whether blocks or the manifest are to be fetched still.
func (s *session) lacking() bool {
	return s.state <= protocol.ReceiverReceiving && !s.ending && s.collector.lacks()
}

// reach decides by which lanes blocks come from now on, and tells of changes.
func (s *session) reach(now time.Time) {
	l := &s.lanes
	if now.Sub(l.lookedAt) < reachEach {
		return
	}
	l.lookedAt = now
	g := signs{
		mode: l.mode, lacking: s.lacking(), admitted: s.admitted,
		silent: s.silent(now), symbol: now.Sub(s.symbolAt),
		back: s.symbolAt.After(l.since), cut: s.collector.cut(),
	}
	next := g.next()
	if next == l.mode {
		return
	}
	was := l.mode
	l.mode, l.since, l.progressAt, l.wholeAt = next, now, now, now
	if !g.lacking {
		l.plan.unanswered(now)
	}
	switch {
	case next == modeDeaf:
		l.plan.fed = now // what others are to fetch from the sender, they begin to
		l.cause = s.traces(now).cause()
		s.notice("deaf", l.cause+s.onward())
	case next == modeOrphan:
		s.notice("orphan", fmt.Sprintf("the sender at %v has fallen silent: it crashed or the network is cut%s", s.begun.Report.Addr(), s.onward()))
	case g.lacking && was == modeDeaf:
		s.notice("back", "multicast data arrives again")
	case g.lacking:
		s.notice("back", fmt.Sprintf("the sender at %v is back", s.begun.Report.Addr()))
	}
}

// onward says how the receiver goes on, for the end of a notice.
func (s *session) onward() string {
	switch {
	case s.cfg.Fetch == nil:
		return ""
	case s.lanes.mode == modeDeaf:
		return "; going on by unicast, from other machines and the sender"
	}
	return "; going on from other machines, or with the sender once it is started again"
}
