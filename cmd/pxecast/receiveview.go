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

// show is for receiver.Config.Status.
func (v *receiveView) show(st receiver.Status) {
	now := v.now()
	v.notify(st.Notices)
	if now.Sub(v.told) >= time.Second {
		v.told = now
		v.r.event.print(ownEventOf("status", v.r.cfg.ID, v.r.network.Addr().String(), &st))
	}
	done, rate := float64(st.Counters.Written), v.written.Add(now, float64(st.Counters.Written))
	if back := v.verified.Add(now, float64(st.Verified)); st.State == protocol.ReceiverVerifying {
		done, rate = float64(st.Verified), back
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
	v.r.p.screen.Update(state, v.line(&st, done, rate, false), func(width, _ int) []string {
		return []string{v.line(&st, done, rate, true), v.room(&st, now)}
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
func (v *receiveView) room(st *receiver.Status, now time.Time) string {
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
	if limit := v.limit(st, now); limit != "" {
		text += "; " + limit
	}
	return text
}

// limit says what holds this machine up.
func (v *receiveView) limit(st *receiver.Status, now time.Time) string {
	shed, overflow := v.shed.Add(now, float64(st.Counters.Shed)), v.overflow.Add(now, float64(st.Counters.Overflow))
	switch {
	case st.Waiting != "":
		return screen.Safe(st.Waiting)
	case st.Check.Running:
		return fmt.Sprintf("checking the disk: %s, %s equal", screen.Percent(float64(st.Check.Bytes), float64(st.RawSize)), screen.Bytes(st.Check.Equal))
	case st.State != protocol.ReceiverReceiving:
		return ""
	case shed > 0:
		return "limit: this disk"
	case overflow > 0:
		return "limit: this machine's processor"
	}
	return "limit: network or sender"
}
