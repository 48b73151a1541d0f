package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
)

// sendView shows a session: a line of its own and one for each receiver.
type sendView struct {
	screen  *screen.Screen
	event   *events
	now     func() time.Time
	wire    screen.Meter
	written map[protocol.ReceiverID]*screen.Meter
	rates   map[protocol.ReceiverID]float64
	states  map[protocol.ReceiverID]protocol.ReceiverState
	told    time.Time // last status event
	notices int       // shown
}

func newSendView(s *screen.Screen, e *events) *sendView {
	return &sendView{
		screen: s, event: e, now: time.Now,
		written: map[protocol.ReceiverID]*screen.Meter{}, rates: map[protocol.ReceiverID]float64{},
		states: map[protocol.ReceiverID]protocol.ReceiverState{},
	}
}

// show is for sender.Config.Status.
func (v *sendView) show(st sender.Status) {
	now := v.now()
	v.changes(&st)
	if now.Sub(v.told) >= time.Second {
		v.told = now
		v.event.print(sendStatusEvent{"status", sessionStateOf(&st)})
	}
	wire := v.wire.Add(now, float64(st.Traffic.Bytes))
	v.measure(now, &st)
	v.screen.Update(stateKey(&st), v.plain(&st, wire), func(_, height int) []string {
		return append([]string{v.headline(&st, wire)}, v.machines(&st, height-1)...)
	})
}

// changes shows every notice that is new, and prints an event for every receiver
// whose state is.
func (v *sendView) changes(st *sender.Status) {
	for ; v.notices < len(st.Notices); v.notices++ {
		n := st.Notices[v.notices]
		v.event.print(noticeEvent{Event: "notice", Kind: n.Kind, Text: n.Text})
		v.screen.Say("pxecast: %s", screen.Safe(n.Text))
	}
	for i := range st.Receivers {
		r := &st.Receivers[i]
		if v.states[r.ID] != r.State {
			v.states[r.ID] = r.State
			v.event.print(receiverEvent{"receiver", machineOf(r, st.RawSize)})
		}
	}
}

func (v *sendView) measure(now time.Time, st *sender.Status) {
	for i := range st.Receivers {
		r := &st.Receivers[i]
		m := v.written[r.ID]
		if m == nil {
			m = new(screen.Meter)
			v.written[r.ID] = m
		}
		v.rates[r.ID] = m.Add(now, float64(r.Counters.Written))
	}
}

// counts writes how many receivers are in which state: "3 receiving, 1 done".
func counts(all []sender.ReceiverStatus) string {
	var n [protocol.ReceiverGone + 1]int
	for _, r := range all {
		if int(r.State) < len(n) {
			n[r.State]++
		}
	}
	var parts []string
	for s, c := range n {
		if c > 0 {
			parts = append(parts, fmt.Sprintf("%d %v", c, protocol.ReceiverState(s)))
		}
	}
	return strings.Join(parts, ", ")
}

func stateKey(st *sender.Status) string { return st.State.String() + counts(st.Receivers) }

// stage says what the session is at.
func (v *sendView) stage(st *sender.Status) string {
	if st.State == protocol.SessionGathering {
		return fmt.Sprintf("waiting for receivers: %d of %d here, %s left", len(st.Receivers), st.Want, screen.Duration(st.Waiting))
	}
	return fmt.Sprintf("%v %s", st.State, screen.Duration(v.now().Sub(st.Started)))
}

func (v *sendView) headline(st *sender.Status, wire float64) string {
	text := fmt.Sprintf("%s  %s", screen.Safe(st.Name), v.stage(st))
	if st.State == protocol.SessionGathering {
		return text
	}
	if st.State == protocol.SessionSending {
		text += fmt.Sprintf("  %s on the wire  loss %.1f %%", screen.Rate(wire), st.Loss*100)
	}
	return fmt.Sprintf("%s  sent %s, %s of it to heal", text, screen.Bytes(st.Traffic.Bytes), screen.Bytes(st.Traffic.RepairBytes))
}

// plain is the whole state on one line.
func (v *sendView) plain(st *sender.Status, wire float64) string {
	text := v.headline(st, wire)
	if len(st.Receivers) == 0 {
		return text
	}
	slowest, any := 0, false
	for i := range st.Receivers {
		if r := &st.Receivers[i]; !r.State.Over() && (!any || r.Counters.Written < st.Receivers[slowest].Counters.Written) {
			slowest, any = i, true
		}
	}
	text += "  " + counts(st.Receivers)
	if any && len(st.Receivers) > 1 {
		r := &st.Receivers[slowest]
		text += fmt.Sprintf("; slowest %s %s", machineName(r), screen.Percent(float64(r.Counters.Written), float64(st.RawSize)))
	} else if any {
		text += "; " + screen.Percent(float64(st.Receivers[slowest].Counters.Written), float64(st.RawSize))
	}
	return text
}

// machines returns a line for each receiver; where there are more than lines,
// the worst ones first and a count of the others.
func (v *sendView) machines(st *sender.Status, height int) []string {
	all, rest := st.Receivers, []sender.ReceiverStatus(nil)
	if len(all) > height {
		all = slices.Clone(all)
		slices.SortStableFunc(all, worse)
		shown := max(0, height-1)
		all, rest = all[:shown], all[shown:]
	}
	t := screen.Table{Columns: []screen.Column{{}, {}, {}, {Right: true}, {Right: true}, {}, {}}}
	for i := range all {
		t.Rows = append(t.Rows, v.row(st, &all[i]))
	}
	lines := t.Lines()
	for i, l := range lines {
		lines[i] = "  " + l
	}
	if len(rest) > 0 {
		lines = append(lines, fmt.Sprintf("  … and %d more: %s", len(rest), counts(rest)))
	}
	return lines
}

// worse orders receivers by how much they need attention.
func worse(a, b sender.ReceiverStatus) int {
	rank := func(s protocol.ReceiverState) int {
		switch s {
		case protocol.ReceiverFailed, protocol.ReceiverGone:
			return 0
		case protocol.ReceiverDone:
			return 2
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(a.State), rank(b.State)), cmp.Compare(a.Counters.Written, b.Counters.Written))
}

func (v *sendView) row(st *sender.Status, r *sender.ReceiverStatus) []string {
	written, raw := float64(r.Counters.Written), float64(st.RawSize)
	cells := []string{machineName(r), r.Address, v.painted(r.State), screen.Percent(written, raw), "", "", ""}
	if r.State == protocol.ReceiverDone && r.Seconds > 0 {
		cells[4] = screen.Rate(written / r.Seconds)
	} else if !r.State.Over() {
		cells[4] = screen.Rate(v.rates[r.ID])
	}
	if r.Counters.Repaired > 0 {
		cells[5] = fmt.Sprintf("healed %d", r.Counters.Repaired)
	}
	switch {
	case r.Error != "":
		cells[6] = screen.Safe(r.Error)
	case r.State == protocol.ReceiverDone:
		cells[6] = "in " + screen.Duration(time.Duration(r.Seconds*float64(time.Second)))
	case r.State == protocol.ReceiverReceiving:
		cells[6] = "ETA " + screen.Remaining(raw-written, v.rates[r.ID])
	}
	return cells
}

func (v *sendView) painted(s protocol.ReceiverState) string {
	switch s {
	case protocol.ReceiverDone:
		return v.screen.Paint(screen.Green, s.String())
	case protocol.ReceiverFailed, protocol.ReceiverGone:
		return v.screen.Paint(screen.Red, s.String())
	}
	return s.String()
}

func sessionStateOf(st *sender.Status) sessionState {
	return sessionState{st.State.String(), trafficOf(st.Traffic), millis(st.Loss), machinesOf(st)}
}
