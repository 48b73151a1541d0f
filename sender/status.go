package sender

import (
	"fmt"
	"slices"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender/diagnosis"
)

// Status is what a session looks like at one moment.
type Status struct {
	State     protocol.SessionState
	Name      string
	ImageID   image.ID
	RawSize   int64         // bytes
	DataSize  int64         // bytes of it that are not in zero blocks
	Packed    int64         // bytes
	Started   time.Time     // of sending; zero before
	Waiting   time.Duration // before start: how long the sender still waits for receivers
	Want      int           // receivers that the start waits for
	Traffic   Traffic
	Rate      float64 // bytes a second that the pace allows; 0 no limit but the link's
	Loss      float64 // median fraction of datagrams that the network loses
	Receivers []ReceiverStatus
	Notices   []Notice        // all so far, the oldest first
	Measured  *diagnosis.Room // of a bench session that is over; nil else
}

// Notice is something that people should know, once.
type Notice struct {
	Kind string // one word for scripts: "serve"
	Text string
}

// ReceiverStatus is one receiver as of its latest report.
type ReceiverStatus struct {
	ID       protocol.ReceiverID
	Name     string
	Address  string
	State    protocol.ReceiverState
	Error    string
	Joined   time.Time
	Heard    time.Time // when it was last seen
	Seconds  float64   // from the start, or its own later arrival, to its end or now
	Loss     float64   // smoothed fraction of datagrams that the network lost
	Counters protocol.Counters
	RTT      time.Duration
}

// Seconds returns the time from the start of sending to the end of the last
// receiver, or to now; 0 before the start.
func (st *Status) Seconds() float64 {
	if st.Started.IsZero() {
		return 0
	}
	last := 0.0
	for _, r := range st.Receivers {
		last = max(last, max(0, r.Joined.Sub(st.Started).Seconds())+r.Seconds)
	}
	return last
}

// status describes the session now.
func (s *session) status(now time.Time) Status {
	m := s.cfg.Source.Manifest()
	st := Status{
		State: s.state, Name: s.cfg.Name, ImageID: m.ID(), RawSize: m.RawSize(), Packed: m.PackedSize(),
		Started: s.started, Want: s.cfg.MinReceivers, Traffic: s.tx.sent, Rate: s.sched.congestion.rate, Loss: s.sched.loss,
		DataSize: int64(m.DataBlocks()) * protocol.BlockSize, Notices: slices.Clip(s.notices),
	}
	if s.state == protocol.SessionGathering {
		st.Waiting = max(0, s.opened.Add(s.cfg.MaxWait).Sub(now))
	}
	for _, m := range s.sched.members {
		begin, end := m.joined, m.ended
		if begin.Before(s.started) {
			begin = s.started
		}
		if m.present() {
			end = now
		}
		r := ReceiverStatus{
			ID: m.id, Name: m.name, Address: m.address.Addr().String(), State: m.state, Error: m.report.Error,
			Joined: m.joined, Heard: m.heard, Loss: m.loss, Counters: m.report.Counters,
			RTT: time.Duration(m.report.RTTMicro) * time.Microsecond,
		}
		if !s.started.IsZero() {
			r.Seconds = max(0, end.Sub(begin).Seconds())
		}
		if m.state == protocol.ReceiverGone {
			r.Error = fmt.Sprintf("fell silent at %.0f %%, last seen %s: switched off, crashed or cut from the network",
				float64(s.permille(m))/10, m.heard.Local().Format(time.TimeOnly))
		}
		st.Receivers = append(st.Receivers, r)
	}
	return st
}
