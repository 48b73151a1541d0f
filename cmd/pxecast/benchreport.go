package main

import (
	"fmt"
	"io"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/sender"
	"github.com/pxecast/pxecast/sender/diagnosis"
)

// benchSummaryEvent is the last line of bench --json.
type benchSummaryEvent struct {
	Event       string `json:"event"` // "summary"
	Content     string `json:"content"`
	RawBytes    int64  `json:"raw_bytes"`
	PackedBytes int64  `json:"packed_bytes"`
	traffic
	Seconds   float64        `json:"seconds"`
	WireMbit  float64        `json:"wire_mbit_per_s"`
	LinkMbit  *float64       `json:"link_mbit_per_s"`
	Busy      float64        `json:"sender_cores_busy"`
	Probes    int            `json:"probes"`
	Error     *string        `json:"error"`
	Findings  []benchFinding `json:"findings"`
	Receivers []benchMachine `json:"receivers"`
}

type benchFinding struct {
	Kind      diagnosis.Kind `json:"kind"`
	Receivers []string       `json:"receivers"`
	Text      string         `json:"text"`
	Advice    *string        `json:"advice"`
}

// benchMachine is one receiver of a bench.
type benchMachine struct {
	machine
	Received   uint64  `json:"packets_received"`
	Overflowed uint64  `json:"packets_overflowed"`
	WireMbit   float64 `json:"wire_mbit_per_s"`
	Loss       float64 `json:"loss"`
	CommonLoss float64 `json:"loss_common"`
	Gaps       uint32  `json:"gaps"`
	MeanGap    float64 `json:"gap_mean"`
	LongestGap uint32  `json:"gap_longest"`
	GapPeriod  float64 `json:"gap_period"`
	Decoding   float64 `json:"decoding"`
	Writing    float64 `json:"writing"`
	Workers    int     `json:"workers"`
	Cores      int     `json:"cores"`
	Flooded    *bool   `json:"flooded"`
	LimitedBy  *string `json:"limited_by"`
}

// report prints how it went: the table and the findings on standard output,
// unless that is for JSON.
func (b *benching) report(st *sender.Status, err error) {
	if st.Measured == nil {
		st.Measured = &diagnosis.Room{}
	}
	b.complete(st)
	room, findings := st.Measured, []diagnosis.Finding(nil)
	if len(room.Receivers) > 0 || b.want > 0 && err == nil {
		findings = diagnosis.Find(room)
	}
	b.event.print(b.summary(st, room, findings, err))
	if len(st.Receivers) == 0 {
		return
	}
	var out io.Writer = b.p.out
	if b.event.on() {
		out = b.p.err
	}
	why := ""
	if err != nil {
		why = oneLine(err)
	}
	for _, l := range benchTable(st, room, why) {
		fmt.Fprintln(out, l)
	}
	for _, l := range benchFindings(findings) {
		fmt.Fprintln(out, l)
	}
}

func (b *benching) summary(st *sender.Status, room *diagnosis.Room, findings []diagnosis.Finding, err error) benchSummaryEvent {
	plain := summaryOf(st, err)
	e := benchSummaryEvent{
		Event: "summary", Content: b.content.String(), RawBytes: b.size, PackedBytes: st.Packed, traffic: plain.traffic,
		Seconds: millis(room.Seconds), WireMbit: millis(room.Wire() / 1e6), Busy: millis(room.Busy), Probes: room.Probes, Error: plain.Error,
		Findings: []benchFinding{}, Receivers: []benchMachine{},
	}
	if room.LinkRate > 0 {
		link := room.LinkRate / 1e6
		e.LinkMbit = &link
	}
	for i := range findings {
		f := &findings[i]
		names := append([]string{}, f.Receivers...)
		e.Findings = append(e.Findings, benchFinding{f.Kind, names, f.Text, orNull(f.Advice)})
	}
	for i := range room.Receivers {
		e.Receivers = append(e.Receivers, benchMachineOf(plain.Receivers[i], room, &room.Receivers[i]))
	}
	return e
}

func benchMachineOf(m machine, room *diagnosis.Room, v *diagnosis.Receiver) benchMachine {
	n := &v.Counters
	b := benchMachine{
		machine: m, Received: n.Received, Overflowed: n.Overflow, WireMbit: millis(v.PacketRate() * room.WirePerPacket() / 1e6),
		Loss: micros(v.Loss()), CommonLoss: micros(v.CommonLoss()), Gaps: n.Gaps, MeanGap: millis(v.MeanGap()), LongestGap: n.Longest,
		GapPeriod: v.Period, Decoding: millis(v.Decoding()), Writing: millis(v.Writing()), Workers: v.Workers, Cores: v.Cores,
		LimitedBy: orNull(v.Limit()),
	}
	if yes, known := v.Flooded(); known {
		b.Flooded = &yes
	}
	return b
}

// micros rounds to six digits after the point: losses are small.
func micros(f float64) float64 { return millis(f*1000) / 1000 }

func benchTable(st *sender.Status, room *diagnosis.Room, why string) []string {
	t := screen.Table{Columns: []screen.Column{{Name: "MACHINE"}, {Name: "ADDRESS"}, {Name: "STATE"}, {Name: "SECONDS", Right: true},
		{Name: "MB/S", Right: true}, {Name: "MBIT/S", Right: true}, {Name: "LOST", Right: true}, {Name: "IN ROWS OF", Right: true},
		{Name: "OVERFLOW", Right: true}, {Name: "SHED", Right: true}, {Name: "DECODES", Right: true}, {Name: "LIMIT"}, {Name: "REASON"}}}
	for i := range room.Receivers {
		r, v := &st.Receivers[i], &room.Receivers[i]
		m := finalMachine(r, st.RawSize, why)
		reason := ""
		if m.Error != nil {
			reason = screen.Safe(*m.Error)
		}
		rows := "–"
		if v.Counters.Gaps > 0 && v.Counters.Overflow <= v.Counters.Lost {
			rows = fmt.Sprintf("%.1f, ≤ %d", v.MeanGap(), v.Counters.Longest)
		}
		limit := v.Limit()
		if limit == "" {
			limit = "–"
		}
		t.Rows = append(t.Rows, []string{machineName(r), r.Address, m.State, fmt.Sprintf("%.1f", m.Seconds),
			fmt.Sprintf("%.1f", m.MBPerS), fmt.Sprintf("%.0f", v.PacketRate()*room.WirePerPacket()/1e6),
			fmt.Sprintf("%.3f %%", v.Loss()*100), rows, fmt.Sprintf("%.3f %%", v.OverflowLoss()*100),
			fmt.Sprint(m.BlocksShed), fmt.Sprintf("%.0f %%", v.Decoding()*100), limit, reason})
	}
	return append(t.Lines(), fmt.Sprintf("sent %s in %d packets in %.1f s, %.0f Mbit/s on the wire; %s of it again or as parity; no disk was touched or measured",
		screen.Bytes(st.Traffic.Bytes), st.Traffic.Packets, room.Seconds, room.Wire()/1e6, screen.Bytes(st.Traffic.RepairBytes)), "")
}

// benchFindings writes what was found, what there is to do about it below.
func benchFindings(all []diagnosis.Finding) (lines []string) {
	for i := range all {
		f := &all[i]
		mark := "ok "
		if f.Kind == diagnosis.FloodBlind {
			mark = " ? "
		} else if !f.Good() {
			mark = " ! "
		}
		lines = append(lines, mark+screen.Safe(f.Text))
		if !f.Good() {
			lines = append(lines, "   → "+f.Advice)
		}
	}
	return lines
}
