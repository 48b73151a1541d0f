package main

import (
	"fmt"
	"time"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// receiveView shows how far this disk is.
type receiveView struct {
	r        *receiving
	now      func() time.Time
	written  screen.Meter
	verified screen.Meter
	shed     screen.Meter
	overflow screen.Meter
	told     time.Time // last status event
	notices  int       // shown
}

func newReceiveView(r *receiving) *receiveView { return &receiveView{r: r, now: time.Now} }

// pace is how fast a disk gets on, and what holds it up.
type pace struct {
	done  float64 // bytes: written, or read back while that goes on
	rate  float64 // of them a second now
	limit string  // "network", "processor" or "disk"; "" unknown
}

// measure takes each status once.
func (v *receiveView) measure(now time.Time, st *receiver.Status) pace {
	p := pace{done: float64(st.Counters.Written), rate: v.written.Add(now, float64(st.Counters.Written))}
	if back := v.verified.Add(now, float64(st.Verified)); st.State == protocol.ReceiverVerifying {
		p.done, p.rate = float64(st.Verified), back
	}
	shed, overflow := v.shed.Add(now, float64(st.Counters.Shed)), v.overflow.Add(now, float64(st.Counters.Overflow))
	switch {
	case st.State == protocol.ReceiverFlushing, st.State == protocol.ReceiverVerifying, st.Check.Running:
		p.limit = "disk"
	case st.State != protocol.ReceiverReceiving:
	case shed > 0:
		p.limit = "disk"
	case overflow > 0:
		p.limit = "processor"
	default:
		p.limit = "network"
	}
	return p
}

// show is for receiver.Config.Status.
func (v *receiveView) show(st receiver.Status) {
	now := v.now()
	v.notify(st.Notices)
	p := v.measure(now, &st)
	if now.Sub(v.told) >= time.Second {
		v.told = now
		v.r.event.print(statusEvent{ownEventOf("status", v.r.cfg.ID, v.r.network.Addr().String(), &st), progressOf(&st, p)})
	}
	state := st.State.String()
	switch st.State {
	case protocol.ReceiverJoined:
		state += st.Waiting
	case protocol.ReceiverDone:
		if st.Waiting != "" {
			state += "staying"
		}
	}
	v.r.p.screen.Update(state, v.line(&st, p.done, p.rate, false), func(width, _ int) []string {
		return []string{v.line(&st, p.done, p.rate, true), v.room(&st, p.limit)}
	})
}

// notify shows what is new.
func (v *receiveView) notify(all []receiver.Notice) {
	for ; v.notices < len(all); v.notices++ {
		n := all[v.notices]
		v.r.event.print(noticeEvent{Event: "notice", Kind: n.Kind, Text: n.Text})
		v.r.p.screen.Say("pxecast: %s", screen.Safe(n.Text))
	}
}

// line is the state of this disk, with a bar for a terminal.
func (v *receiveView) line(st *receiver.Status, done, rate float64, bar bool) string {
	raw := float64(st.RawSize)
	text := st.State.String() + " " + screen.Safe(st.Name)
	if st.Waiting != "" && (st.Counters.Written == 0 || st.State == protocol.ReceiverDone) {
		return text + ": " + screen.Safe(st.Waiting)
	}
	if bar {
		text += "  " + screen.Bar(done, raw, barWidth)
	}
	text += fmt.Sprintf("  %s  %s", screen.Percent(done, raw), screen.Rate(rate))
	if left := screen.Remaining(raw-done, rate); left != "" {
		text += "  ETA " + left
	}
	if n := st.Counters.Repaired; n > 0 {
		text += fmt.Sprintf("  healed %d", n)
	}
	if n := st.Counters.Lanes; n[1]+n[2] > 0 {
		text += fmt.Sprintf("  by unicast %d of %d blocks", n[1]+n[2], n[0]+n[1]+n[2])
	}
	if st.Waiting != "" && !bar { // with a bar it stands in the line below
		text += "  " + screen.Safe(st.Waiting)
	}
	return text
}

// room is what is known of the other machines, and what holds this one up.
func (v *receiveView) room(st *receiver.Status, limit string) string {
	text := "  the room: "
	if st.Room.Machines == 0 {
		text += "not known yet"
	} else {
		text += fmt.Sprintf("%d of %d machines done", st.Room.Done, st.Room.Machines)
		if st.Room.Failed > 0 {
			text += fmt.Sprintf(", %d failed", st.Room.Failed)
		}
		if st.Room.Done < st.Room.Machines {
			text += fmt.Sprintf(", slowest at %d %%", st.Room.Slowest/10)
		}
	}
	if words := limitWords(st, limit); words != "" {
		text += "; " + words
	}
	return text
}

// limitWords says what holds this machine up.
func limitWords(st *receiver.Status, limit string) string {
	switch {
	case st.Waiting != "":
		return screen.Safe(st.Waiting)
	case st.Check.Running:
		return fmt.Sprintf("checking the disk: %s, %s equal", screen.Percent(float64(st.Check.Bytes), float64(st.RawSize)), screen.Bytes(st.Check.Equal))
	case st.State != protocol.ReceiverReceiving:
		return ""
	}
	return map[string]string{"disk": "limit: this disk", "processor": "limit: this machine's processor", "network": "limit: network or sender"}[limit]
}
