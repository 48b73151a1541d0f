package serve

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
)

var (
	noon  = time.Unix(1700000000, 0)
	pc1   = catalog.Machine{MAC: "52:54:00:00:00:01", Name: "pc-1"}
	addr1 = netip.MustParseAddr("10.0.0.1")
	addr2 = netip.MustParseAddr("10.0.0.2")
	labID = image.ID{7}
)

func seen(state protocol.ReceiverState, written uint64, why string) *sender.Status {
	return &sender.Status{ImageID: labID, RawSize: 1000, Receivers: []sender.ReceiverStatus{{
		Name: "pc-1", Address: addr1.String(), State: state, Error: why, Heard: noon.Add(time.Second), Counters: protocol.Counters{Written: written},
	}}}
}

func only(t *testing.T, r *room) MachineStatus {
	t.Helper()
	all := r.machines()
	if len(all) != 1 {
		t.Fatalf("%d machines, want one: %+v", len(all), all)
	}
	return all[0]
}

// A machine's evening: it is one machine all the way, whatever it is known by.
func TestMachineIsFollowed(t *testing.T) {
	r := newRoom()
	step := func(what string, state State, text string, progress float64) {
		t.Helper()
		if m := only(t, r); m.State != state || m.Text != text || m.Progress != progress {
			t.Fatalf("after %s: %s %q %v, want %s %q %v", what, m.State, m.Text, m.Progress, state, text, progress)
		}
	}
	if _, news := r.boots(noon, "", addr1, "core.0"); !news {
		t.Error("the first file is no news")
	}
	if _, news := r.boots(noon, "", addr1, "core.0"); news {
		t.Error("the same file is news")
	}
	step("TFTP, which tells no MAC", Booting, "core.0", 0)
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Arrived})
	step("arriving", AtMenu, "", 0)
	r.receives(noon, seen(protocol.ReceiverReceiving, 430, ""))
	step("430 of 1000", Imaging, "receiving", 0.43)
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Ran, Script: "post", Exit: 3, Output: "mounting\nno such file\n", Image: labID})
	step("post", Imaging, "script post exited with 3: no such file", 0.43)
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Failed, Text: "post exited with 3", Image: labID})
	r.receives(noon, seen(protocol.ReceiverDone, 1000, ""))
	step("its disk is done, it isn't", Failed, "post exited with 3", 0.43)
	r.boots(noon, pc1.MAC, addr2, "kernel")
	step("coming again with another address", Booting, "kernel", 0)
	if m := only(t, r); m.Address != addr2 {
		t.Errorf("it is at %v", m.Address)
	}
}

func TestMachineThatFallsSilent(t *testing.T) {
	r := newRoom()
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Arrived})
	r.receives(noon, seen(protocol.ReceiverReceiving, 430, ""))
	r.receives(noon, seen(protocol.ReceiverGone, 430, "silent since 12:00"))
	if m := only(t, r); m.State != Failed || m.Text != "silent since 12:00" {
		t.Fatalf("%+v", m)
	}
	// It was switched on again: the old session's list still has it as gone.
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Arrived})
	r.receives(noon, seen(protocol.ReceiverGone, 430, "silent since 12:00"))
	if m := only(t, r); m.State != AtMenu {
		t.Fatalf("%+v", m)
	}
}

// A session believes for some seconds that a machine still receives. What the machine
// told since counts, and that it boots again.
func TestSessionIsBehindTheMachine(t *testing.T) {
	r := newRoom()
	later := noon.Add(2 * time.Second) // than the session heard of it
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Arrived})
	r.receives(noon, seen(protocol.ReceiverReceiving, 430, ""))
	r.says(later, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Failed, Text: "stopped by hand"})
	for _, state := range []protocol.ReceiverState{protocol.ReceiverReceiving, protocol.ReceiverGone} {
		r.receives(later, seen(state, 430, "silent since 12:00"))
		if m := only(t, r); m.State != Failed || m.Text != "stopped by hand" {
			t.Errorf("it told that it failed, and the session has it as %v: %s %q", state, m.State, m.Text)
		}
	}
	r.boots(later, pc1.MAC, addr1, "core.0")
	for _, state := range []protocol.ReceiverState{protocol.ReceiverReceiving, protocol.ReceiverGone} {
		r.receives(later, seen(state, 430, "silent since 12:00"))
		if m := only(t, r); m.State != Booting {
			t.Errorf("it boots again, and the session has it as %v: %s %q", state, m.State, m.Text)
		}
	}
}

// A session lists who left its address, too: that is no machine more.
func TestMachineThatHasAnotherAddress(t *testing.T) {
	r := newRoom()
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Arrived})
	r.receives(noon, seen(protocol.ReceiverReceiving, 430, ""))
	r.boots(noon.Add(2*time.Second), pc1.MAC, addr2, "core.0")
	r.receives(noon, seen(protocol.ReceiverGone, 430, "silent since 12:00"))
	if m := only(t, r); m.State != Booting || m.Address != addr2 || len(r.holder) != 1 {
		t.Errorf("%+v, addresses %v", m, r.holder)
	}
	pc2 := catalog.Machine{MAC: "52:54:00:00:00:02", Name: "pc-2"}
	r.says(noon, addr1, &catalog.Event{Machine: pc2, Kind: catalog.Arrived}) // has it now
	r.boots(noon.Add(3*time.Second), pc1.MAC, addr2, "linux")
	if r.holder[addr1] != pc2.MAC || r.holder[addr2] != pc1.MAC {
		t.Errorf("addresses %v", r.holder)
	}
}

// A machine whose network comes first in its boot order is imaged once, not for
// ever; when somebody takes it to the menu again, it counts from there.
func TestImagedMachineStartsFromItsDisk(t *testing.T) {
	r := newRoom()
	step := func(what string, want bool) {
		t.Helper()
		if got := r.installed(pc1.MAC); got != want {
			t.Errorf("after %s it counts as installed: %v", what, got)
		}
	}
	step("nothing", false)
	for _, k := range []catalog.Kind{catalog.Arrived, catalog.Failed} {
		r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: k})
		step(string(k), false)
	}
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Installed})
	step("installed", true)
	r.boots(noon, pc1.MAC, addr1, "core.0")
	r.boots(noon, pc1.MAC, addr1, "grub.cfg")
	step("two files", true)
	r.says(noon, addr1, &catalog.Event{Machine: pc1, Kind: catalog.Arrived})
	step("the menu", false)
}

func TestInventedMachinesAreForgotten(t *testing.T) {
	r := newRoom()
	for i := range mostMachines + 10 {
		r.boots(noon.Add(time.Duration(i)*time.Second), fmt.Sprintf("%012x", i), netip.Addr{}, "x")
	}
	all := r.machines()
	if len(all) != mostMachines || all[0].MAC != fmt.Sprintf("%012x", 10) {
		t.Fatalf("%d machines, the first is %s", len(all), all[0].MAC)
	}
}
