package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// What the menu in the ramdisk shows comes from these events: docs/json.md.
func TestReceiveStatusJSON(t *testing.T) {
	v := &receiveView{}
	st := receiver.Status{
		State: protocol.ReceiverReceiving, Name: "lab", ImageID: image.ID{0xab}, RawSize: 10e9, Seconds: 10,
		Counters: protocol.Counters{Written: 1e9, Lost: 12, Repaired: 11, Lanes: [3]uint32{3800, 2, 1}},
		Room:     receiver.Room{Machines: 30, Done: 3, Failed: 1, Slowest: 310},
	}
	v.measure(start, &st)
	st.Counters.Written += 500e6
	p := v.measure(start.Add(5*time.Second), &st)
	e := statusEvent{ownEventOf("status", 1, "10.0.0.1", &st), progressOf(&st, p)}
	e.machine.Name = "pc-01"
	j, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "receive.json", string(j)+"\n")
}

func TestWhatLimitsAReceiver(t *testing.T) {
	for _, c := range []struct {
		st   receiver.Status
		want string
	}{
		{receiver.Status{State: protocol.ReceiverJoined}, ""},
		{receiver.Status{State: protocol.ReceiverReceiving}, "network"},
		{receiver.Status{State: protocol.ReceiverReceiving, Counters: protocol.Counters{Shed: 5}}, "disk"},
		{receiver.Status{State: protocol.ReceiverReceiving, Counters: protocol.Counters{Overflow: 5}}, "processor"},
		{receiver.Status{State: protocol.ReceiverReceiving, Check: receiver.Check{Running: true}}, "disk"},
		{receiver.Status{State: protocol.ReceiverVerifying}, "disk"},
	} {
		v := &receiveView{}
		v.measure(start, &receiver.Status{State: c.st.State})
		if got := v.measure(start.Add(time.Second), &c.st); got.limit != c.want {
			t.Errorf("%v, %+v: %q, want %q", c.st.State, c.st.Counters, got.limit, c.want)
		}
	}
}

func TestCauseOfAFailure(t *testing.T) {
	for want, err := range map[string]error{
		"disk": fmt.Errorf("block 7: %w", &disk.Error{Op: "write", Path: "/dev/sda", Err: errors.New("no")}),
		"":     errors.New("the sender fell silent"),
	} {
		if got := causeOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if got := causeOf(fmt.Errorf("/dev/sda: %w", disk.ErrTooSmall)); got != "disk" {
		t.Errorf("too small: %q", got)
	}
}
