package receiver

import (
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/lane"
)

// service is a way in which a machine gives blocks when it is asked.
type service uint8

const (
	peerHTTP   service = iota // another receiver
	senderHTTP                // the sender is a peer too, the last to be asked
	senderTFTP                // needs nothing but plain UDP
)

// The lanes that a block can come by: its place in protocol.Counters.Lanes.
const (
	wayMulticast = iota
	wayPeer
	wayTFTP
)

func (s service) way() int {
	if s == senderTFTP {
		return wayTFTP
	}
	return wayPeer
}

// origin is one place that blocks can be had from.
type origin struct {
	service service
	at      netip.AddrPort
}

// source is what a planner knows of an origin.
type source struct {
	origin
	ready   bool          // the roster says that it has the manifest
	has     *blockset.Set // nil: not told yet, or nothing that we lack
	asked   time.Time     // for has, the last time
	told    bool          // what it has, the last time
	toldAt  time.Time     // since when has is known
	asking  bool
	running int       // requests for blocks or the manifest under way
	heardAt time.Time // when one of them was begun beside no other, or ended
	proven  bool      // gave a block that was right since it last failed

	until  time.Time     // left alone until then
	wait   time.Duration // and for how long that is
	lies   int           // blocks that it lists and does not have
	banned bool
	left   bool // the address of a sender that is no longer ours
}

const (
	// A machine that fails is left alone for a while that doubles with each
	// failure and halves with each success.
	leastWait = time.Second
	mostWait  = time.Minute

	// busyWait is for one that only has too much to do, or nothing yet.
	busyWait = askEach

	// mostLies is how many blocks that a peer lists and does not have are taken
	// for mishaps.
	mostLies = 3
)

// usable reports whether it may be asked.
func (s *source) usable(now time.Time) bool { return !s.banned && !s.left && !now.Before(s.until) }

// doubtful reports whether it can't be relied upon: it has failed and not made
// up for it, or has not answered for a while. Others are then asked for what it
// has, and get its part of what is fetched from the sender. It may be asked all the same.
func (s *source) doubtful(now time.Time) bool {
	return s.banned || s.wait > 0 && (!s.proven || now.Before(s.until)) ||
		s.running > 0 && now.Sub(s.heardAt) >= impatience || s.asking && now.Sub(s.asked) >= impatience
}

// standing is what a peer is to us.
type standing int

const (
	reliable standing = iota // gave what was right
	stranger                 // we don't know what it has
	claimant                 // says what it has
	standings
)

func (s *source) standing() standing {
	switch {
	case s.proven:
		return reliable
	case s.has == nil:
		return stranger
	}
	return claimant
}

// due reports whether it is time to ask it what it has.
func (s *source) due(now time.Time, m mode, each time.Duration) bool {
	return s.service == peerHTTP && !s.asking && s.usable(now) && now.Sub(s.asked) >= each && (s.ready || m == modeOrphan)
}

// most is how many requests it may have from us at once: little until it has
// shown that it answers, and the truth.
func (s *source) most() int {
	switch {
	case s.service == senderHTTP:
		return mostAtSender
	case s.proven && s.service == peerHTTP:
		return mostAtPeer
	}
	return 1
}

// begin and end take note of a request for blocks or the manifest.
func (s *source) begin(now time.Time) {
	if s.running++; s.running == 1 {
		s.heardAt = now
	}
}

func (s *source) end(now time.Time) {
	s.running--
	s.heardAt = now
}

// tardy is what is said of one that hangs.
const tardy = "does not answer in time"

// answered takes note of a request that went well.
func (s *source) answered() {
	if s.wait == 0 {
		return
	}
	if s.wait /= 2; s.wait < leastWait {
		s.wait, s.until = 0, time.Time{} // what it was asked for before it failed has come
	}
}

// failed takes note of one that did not. It returns what there is to say
// against the machine, if it is more than that it is not there or has no time.
func (s *source) failed(now time.Time, w wish, did lane.Did) (why string) {
	switch {
	case did == lane.Busy, did == lane.Lacks && w != wantBlocks:
		s.until = now.Add(busyWait)
		return ""
	case did == lane.Lacks:
		why = "lists blocks that it does not have"
		if s.lies++; s.lies >= mostLies {
			s.banned = true
		}
	case did == lane.Hung:
		why = tardy
	case did == lane.Closed:
		why = "closes connections early"
	case did == lane.TooLong, did == lane.Garbled:
		why = "answers something else than it was asked for"
	}
	s.proven = false
	s.wait = max(leastWait, min(2*s.wait, mostWait))
	s.until = now.Add(s.wait)
	return why
}

// chance is how long a peer whose blocks we know has to give one before its
// place is another's.
const chance = 4 * askEach

// replace gives s the place of a peer that has given nothing: rosters are not
// signed, and may fill all places with machines that do not exist. One whose
// bytes were wrong stays, so that it is not asked again.
func (p *planner) replace(s *source) bool {
	for range draws {
		i := p.random.IntN(len(p.order))
		if old := p.order[i]; old.service == peerHTTP && !old.proven && !old.banned && !old.asking && old.running == 0 {
			delete(p.sources, old.origin)
			p.order[i] = s
			return true
		}
	}
	return false
}

// forget takes the knowledge of what it has from a peer that has given nothing
// for a while, so that another can be asked.
func (p *planner) forget(now time.Time) bool {
	for _, s := range p.order {
		if s.has != nil && !s.proven && s.running == 0 && now.Sub(s.toldAt) >= chance {
			s.has = nil
			return true
		}
	}
	return false
}
