package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
)

// golden compares with testdata/golden/NAME; PXECAST_UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if os.Getenv("PXECAST_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s is now (%v):\n%s\nit was:\n%s", path, err, got, want)
	}
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// room is a session of five receivers, each in another state, after d.
func room(d time.Duration) sender.Status {
	const raw = 10e9
	st := sender.Status{
		State: protocol.SessionSending, Name: "lab", ImageID: image.ID{0xab, 0xcd}, RawSize: raw, Packed: 4e9, Started: start, Want: 5,
		Traffic: sender.Traffic{Packets: uint64(d.Seconds() * 80e3), Bytes: uint64(d.Seconds() * 118e6), RepairBytes: uint64(d.Seconds() * 2e6)}, Loss: 0.019,
	}
	for i, s := range []protocol.ReceiverState{protocol.ReceiverReceiving, protocol.ReceiverDone, protocol.ReceiverGone, protocol.ReceiverReceiving, protocol.ReceiverFailed} {
		r := sender.ReceiverStatus{
			ID: protocol.ReceiverID(i + 1), Name: fmt.Sprintf("pc-%02d", i+1), Address: fmt.Sprintf("10.0.0.%d", i+1), State: s,
			Joined: start, Seconds: d.Seconds(), Counters: protocol.Counters{
				Written: uint64(d.Seconds() * float64(i+1) * 50e6), Lost: uint64(1000 * i), Repaired: uint64(900 * i), Lanes: [3]uint32{uint32(100 * i), 0, 0}, Shed: uint32(i),
			},
		}
		switch s {
		case protocol.ReceiverDone:
			r.Counters.Written, r.Seconds = raw, 12.5
		case protocol.ReceiverGone:
			r.Error = "fell silent at 30 %, last seen 03:04:11: switched off, crashed or cut from the network"
			r.Heard = start.Add(6 * time.Second)
		case protocol.ReceiverFailed:
			r.Error = "write /dev/sda at byte 4096: input/output error\x1b[2J"
		}
		st.Receivers = append(st.Receivers, r)
	}
	return st
}

func TestSendView(t *testing.T) {
	v := newSendView(screen.New(os.Stderr), &events{})
	var out strings.Builder
	for d := time.Duration(0); d <= 20*time.Second; d += time.Second {
		v.now = func() time.Time { return start.Add(d) }
		st := room(d)
		wire := v.wire.Add(v.now(), float64(st.Traffic.Bytes))
		v.measure(v.now(), &st)
		if d != 20*time.Second {
			continue
		}
		fmt.Fprintln(&out, v.headline(&st, wire))
		fmt.Fprintln(&out, strings.Join(v.machines(&st, 10), "\n"))
		fmt.Fprintln(&out, "\nwith room for three:")
		fmt.Fprintln(&out, strings.Join(v.machines(&st, 3), "\n"))
		fmt.Fprintln(&out, "\non no terminal:")
		fmt.Fprintln(&out, v.plain(&st, wire))
		st.State, st.Waiting, st.Receivers = protocol.SessionGathering, 90*time.Second, st.Receivers[:1]
		fmt.Fprintln(&out, v.plain(&st, 0))
	}
	golden(t, "send.txt", out.String())
}

func TestResultTable(t *testing.T) {
	st := room(20 * time.Second)
	golden(t, "table.txt", strings.Join(resultTable(&st, "interrupted"), "\n")+"\n")
}

// The summary's fields are a promise to scripts: fields may be added.
func TestSummary(t *testing.T) {
	st := room(20 * time.Second)
	st.Receivers = st.Receivers[1:3]
	b, err := json.MarshalIndent(summaryOf(&st, errInterrupted), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "summary.json", string(b)+"\n")
}

func TestVerdict(t *testing.T) {
	all := room(time.Second).Receivers
	gone, done, failed := all[2], all[1], all[4]
	for _, c := range []struct {
		receivers []sender.ReceiverStatus
		status    int
		text      string
	}{
		{nil, exitFailed, "no receiver joined"},
		{[]sender.ReceiverStatus{done}, exitDone, ""},
		{[]sender.ReceiverStatus{done, done}, exitDone, ""},
		{[]sender.ReceiverStatus{done, gone}, exitSome, "some receivers failed: 1 of 2: pc-03: fell silent"},
		{[]sender.ReceiverStatus{failed}, exitFailed, "the receiver failed: pc-05: write /dev/sda"},
		{[]sender.ReceiverStatus{failed, gone}, exitFailed, "all 2 receivers failed: pc-05: write /dev/sda"},
	} {
		err := verdict(c.receivers)
		if err == nil {
			if c.status != exitDone {
				t.Errorf("verdict on %s is good; want %d", counts(c.receivers), c.status)
			}
			continue
		}
		if exitStatus(err) != c.status || !strings.HasPrefix(err.Error(), c.text) {
			t.Errorf("verdict on %s: %d, %v; want %d, %s", counts(c.receivers), exitStatus(err), err, c.status, c.text)
		}
	}
	if !errors.Is(errInterrupted, context.Canceled) || exitStatus(fmt.Errorf("x: %w", errInterrupted)) != exitInterrupted {
		t.Error("an interruption is no longer one")
	}
}
