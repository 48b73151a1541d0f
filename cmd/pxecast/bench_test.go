package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/pxecast/pxecast/sender"
	"github.com/pxecast/pxecast/sender/diagnosis"
)

// benchedRoom is a bench that has ended: one machine in order, one with a bad
// cable, one whose processor is too slow.
func benchedRoom() (*benching, sender.Status) {
	st := room(20 * time.Second)
	st.Receivers = st.Receivers[:3]
	m := &diagnosis.Room{Packets: st.Traffic.Packets, Bytes: st.Traffic.Bytes, Seconds: 30, Probes: 64}
	for i := range st.Receivers {
		r := &st.Receivers[i]
		r.State, r.Error, r.Seconds = protocol.ReceiverDone, "", 20
		r.Counters = protocol.Counters{Received: 1_600_000, Written: 2_000_000_000, Decoding: 8000, Writing: 200, Stray: protocol.StrayUnknown, Lanes: [3]uint32{7600}}
		m.Receivers = append(m.Receivers, diagnosis.Receiver{State: r.State, Seconds: r.Seconds, Counters: r.Counters, Workers: 4, Cores: 2})
	}
	lossy, slow := &m.Receivers[1], &m.Receivers[2]
	lossy.Counters.Received, lossy.Counters.Lost, lossy.Counters.Gaps, lossy.Counters.Longest = 1_568_000, 32_000, 1000, 64
	lossy.Shared, lossy.Period = diagnosis.Shared{Judged: 32_000}, 1600
	slow.Counters.Decoding, slow.Counters.Shed, slow.Behind, slow.Seconds = 110_000, 300, 0.9, 30
	for i := range st.Receivers {
		st.Receivers[i].Counters, st.Receivers[i].Seconds = m.Receivers[i].Counters, m.Receivers[i].Seconds
	}
	st.Measured = m
	return &benching{size: 2_000_000_000, link: 1e9, want: 3}, st
}

func TestBenchReport(t *testing.T) {
	b, st := benchedRoom()
	b.complete(&st)
	st.Measured.Cores, st.Measured.Busy = 2, 0.5 // of any machine that tests
	found := diagnosis.Find(st.Measured)
	golden(t, "bench.txt", strings.Join(append(benchTable(&st, st.Measured, ""), benchFindings(found)...), "\n")+"\n")
	j, err := json.MarshalIndent(b.summary(&st, st.Measured, found, nil), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.json", string(j)+"\n")
}

// Who was named and did not come counts as failed.
func TestBenchVerdict(t *testing.T) {
	done := sender.ReceiverStatus{State: protocol.ReceiverDone}
	failed := sender.ReceiverStatus{State: protocol.ReceiverFailed}
	for _, c := range []struct {
		want   int
		came   []sender.ReceiverStatus
		status int
	}{
		{0, []sender.ReceiverStatus{done}, exitDone},
		{2, []sender.ReceiverStatus{done, done}, exitDone},
		{2, []sender.ReceiverStatus{done, done, done}, exitDone},
		{24, []sender.ReceiverStatus{done, done, done}, exitSome},
		{24, []sender.ReceiverStatus{done, failed}, exitSome},
		{24, []sender.ReceiverStatus{failed}, exitFailed},
		{24, nil, exitFailed},
	} {
		got, err := exitDone, (&benching{want: c.want}).verdict(c.came)
		if err != nil {
			got = exitStatus(err)
		}
		if got != c.status {
			t.Errorf("%d of %d came: %d, %v; want %d", len(c.came), c.want, got, err, c.status)
		}
	}
}

// A receiver on the sender's own machine says nothing about the switch.
func TestBenchWithTheSenderItself(t *testing.T) {
	b, st := benchedRoom()
	b.address = st.Receivers[0].Address
	for i := range st.Measured.Receivers {
		v := &st.Measured.Receivers[i]
		v.Probes, v.Counters.Stray = 64, 0
	}
	b.complete(&st)
	for i := range st.Measured.Receivers {
		if _, known := st.Measured.Receivers[i].Flooded(); known != (i > 0) {
			t.Errorf("receiver %d: known is %v", i, known)
		}
	}
}

// One that is cancelled while it waits for receivers took no time.
func TestBenchThatNeverBegan(t *testing.T) {
	b, st := benchedRoom()
	st.Started, st.Measured.Seconds = time.Time{}, 9.2e9
	b.complete(&st)
	if e := b.summary(&st, st.Measured, nil, errInterrupted); e.Seconds != 0 || e.Busy != 0 {
		t.Errorf("%.0f seconds, %.3f cores busy", e.Seconds, e.Busy)
	}
}

// Machines that were cloned with their names are told apart by address.
func TestBenchOfClones(t *testing.T) {
	b, st := benchedRoom()
	st.Receivers[2].Name = st.Receivers[0].Name
	b.complete(&st)
	if a, c := st.Measured.Receivers[0].Name, st.Measured.Receivers[2].Name; a != "pc-01 (10.0.0.1)" || c != "pc-01 (10.0.0.3)" {
		t.Errorf("they are called %s and %s", a, c)
	}
}

// TestBenchIsNotOfferedToADisk: whoever signed it, and whatever it is called.
func TestBenchIsNotOfferedToADisk(t *testing.T) {
	friend := trust.PublicKey{1}
	bench := heardOf("lab", 0xab, friend, protocol.SessionSending)
	bench.Bench = true
	for _, want := range []string{"", "lab", "abcd"} {
		o := sortOffers([]receiver.Heard{bench}, want, ringOf(t, friend), false)
		if len(o.trusted)+len(o.unknown)+len(o.other) != 0 || len(o.benches) != 1 {
			t.Errorf("--image %q: %+v", want, o)
		}
	}
	if o := sortOffers([]receiver.Heard{bench}, "", ringOf(t, friend), true); len(o.trusted) != 1 {
		t.Errorf("--disk discard: %+v", o)
	}
}
