package main

import (
	"fmt"
	"os"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
)

// finalMachine describes a receiver of an image of raw bytes when all is over:
// done, failed or gone.
// why is what ended a session before the receiver did.
func finalMachine(r *sender.ReceiverStatus, raw int64, why string) machine {
	m := machineOf(r, raw)
	if !r.State.Over() {
		m.State = protocol.ReceiverFailed.String()
		if m.Error == nil && why != "" {
			m.Error = orNull("not finished: " + why)
		}
	}
	if m.Error == nil && r.State != protocol.ReceiverDone {
		m.Error = orNull("no reason given")
	}
	return m
}

// machineName returns what people call a receiver.
func machineName(r *sender.ReceiverStatus) string {
	if r.Name != "" {
		return screen.Safe(r.Name)
	}
	return r.Address
}

func summaryOf(st *sender.Status, err error) summaryEvent {
	e := summaryEvent{
		Event: "summary", ImageID: idText(st.ImageID), RawBytes: st.RawSize, PackedBytes: st.Packed,
		traffic: trafficOf(st.Traffic), Seconds: millis(st.Seconds()), Receivers: []machine{},
	}
	why := ""
	if err != nil {
		why = oneLine(err)
		e.Error = &why
	}
	for i := range st.Receivers {
		e.Receivers = append(e.Receivers, finalMachine(&st.Receivers[i], st.RawSize, why))
	}
	return e
}

// showTable prints how it went for each receiver: on standard output, unless
// that is for JSON.
func (s *sending) showTable(st *sender.Status, err error) {
	if len(st.Receivers) == 0 {
		return
	}
	var out *os.File = s.p.out
	if s.event.on() {
		out = s.p.err
	}
	why := ""
	if err != nil {
		why = oneLine(err)
	}
	for _, l := range resultTable(st, why) {
		fmt.Fprintln(out, l)
	}
}

func resultTable(st *sender.Status, why string) []string {
	t := screen.Table{Columns: []screen.Column{{Name: "MACHINE"}, {Name: "ADDRESS"}, {Name: "STATE"}, {Name: "SECONDS", Right: true},
		{Name: "MB/S", Right: true}, {Name: "LOST", Right: true}, {Name: "HEALED", Right: true}, {Name: "SHED", Right: true}, {Name: "REASON"}}}
	for i := range st.Receivers {
		r := &st.Receivers[i]
		m := finalMachine(r, st.RawSize, why)
		reason := ""
		if m.Error != nil {
			reason = screen.Safe(*m.Error)
		}
		t.Rows = append(t.Rows, []string{machineName(r), r.Address, m.State, fmt.Sprintf("%.1f", m.Seconds),
			fmt.Sprintf("%.1f", m.MBPerS), fmt.Sprint(m.PacketsLost), fmt.Sprint(r.Counters.Repaired), fmt.Sprint(m.BlocksShed), reason})
	}
	lines := t.Lines()
	return append(lines, fmt.Sprintf("sent %s in %d packets in %.1f s; %s of it again or as parity; packed image %s, raw %s",
		screen.Bytes(st.Traffic.Bytes), st.Traffic.Packets, st.Seconds(), screen.Bytes(st.Traffic.RepairBytes),
		screen.Bytes(st.Packed), screen.Bytes(st.RawSize)))
}
