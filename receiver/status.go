package receiver

import (
	"fmt"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// Status is what a receiver looks like at one moment.
type Status struct {
	State    protocol.ReceiverState
	Session  protocol.SessionState
	Name     string // of the image
	ImageID  image.ID
	RawSize  int64 // bytes
	Packed   int64 // bytes of the packed image
	Verified int64 // bytes read back so far
	Check    Check // of what the disk held before
	Counters protocol.Counters
	Queued   int     // blocks that wait for decode or disk
	Seconds  float64 // since the session sends and we are in it
	Room     Room
	Waiting  string // what for, if for anything: words for the user

	Notices []Notice  // all so far, the oldest first
	Dropped []Dropped // machines that failed us when asked for blocks
	Served  int64     // blocks that others fetched from here
}

// Notice is something that people should know, once.
type Notice struct {
	Kind string // "deaf", "orphan", "back", "restarted", "forged", "peer", "serve"
	Text string
}

// mostNotices bounds what a network that comes and goes makes us remember.
const mostNotices = 200

func (s *session) notice(kind, text string) {
	if len(s.notices) < mostNotices {
		s.notices = append(s.notices, Notice{kind, text})
	}
}

// Room is what the sender says of all machines.
type Room struct {
	Machines, Done, Failed int
	Slowest                int // permille of the image that the slowest one has
}

func (s *session) status(now time.Time) Status {
	a := &s.heard.Announce
	st := Status{
		State: s.state, Session: a.State, Name: a.Name, ImageID: s.heard.Image(), RawSize: a.RawSize, Packed: a.PackedSize,
		Verified: s.verified.Load(), Check: s.pipe.compared(), Counters: s.collector.counters, Queued: s.queued, Room: s.room,
	}
	if !s.started.IsZero() {
		end := now
		if !s.ended.IsZero() {
			end = s.ended
		}
		st.Seconds = end.Sub(s.started).Seconds()
	}
	st.Notices, st.Dropped = slices.Clip(s.notices), slices.Clone(s.lanes.plan.dropped)
	if s.service != nil {
		_, st.Served, _ = s.service.Served()
	}
	switch {
	case s.state == protocol.ReceiverDone:
		st.Waiting = s.stays(now)
	case s.stalled(now) != "":
		st.Waiting = s.stalled(now)
	case s.lanes.mode == modeDeaf:
		st.Waiting = "no multicast: fetching from other machines and the sender"
	case s.lanes.mode == modeOrphan:
		st.Waiting = fmt.Sprintf("the sender is silent for %v: fetching from %d other machines", s.silent(now).Round(time.Second), s.lanes.peers)
	case !s.admitted:
		st.Waiting = "asking the sender for a place"
	case a.State == protocol.SessionGathering:
		st.Waiting = "the sender waits for more machines"
	case now.Sub(s.dataAt) > time.Second && s.state <= protocol.ReceiverReceiving:
		st.Waiting = "no data for " + now.Sub(s.dataAt).Round(time.Second).String()
	}
	return st
}
