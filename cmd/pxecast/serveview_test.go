package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/serve"
)

// evening is a server with three images, one session of five machines and four
// more around it.
func evening(d time.Duration) serve.Status {
	st := serve.Status{
		Images: []catalog.Image{
			{ID: image.ID{0xab, 0xcd}, Name: "lab", Title: "Lab", RawSize: 10e9, PackedSize: 4e9},
			{Name: "new", Title: "new", Problem: "being packed, 43 %, 2 min left"},
			{Name: "notes.txt", Title: "notes.txt", Problem: "text, not a disk image\x1b[2J"},
		},
	}
	st.Sessions = append(st.Sessions, room(d))
	machine := func(n int, s serve.State, text string) {
		m := serve.MachineStatus{Machine: catalog.Machine{MAC: fmt.Sprintf("52:54:00:00:00:%02x", n), Name: fmt.Sprintf("pc-%02d", n)},
			Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}), State: s, Text: text}
		st.Machines = append(st.Machines, m)
	}
	machine(1, serve.Imaging, "receiving")
	machine(4, serve.Imaging, "receiving")
	machine(6, serve.Booting, "loading initrd.img")
	machine(7, serve.AtMenu, "")
	machine(8, serve.Refused, "/dev/sda has 4.0 GB, the image needs 10.0 GB")
	machine(9, serve.Failed, "script post exited with 3: no such file\x1b[2J")
	return st
}

func TestServeView(t *testing.T) {
	v := newServeView(screen.New(os.Stderr), &events{})
	var out strings.Builder
	for d := time.Duration(0); d <= 20*time.Second; d += time.Second {
		v.now = func() time.Time { return start.Add(d) }
		st := evening(d)
		rooms := v.rooms(v.now(), &st)
		if d != 20*time.Second {
			continue
		}
		for _, height := range []int{30, 12} {
			fmt.Fprintf(&out, "%d lines:\n%s\n\n", height, strings.Join(v.block(&st, rooms, height), "\n"))
		}
		fmt.Fprintln(&out, "on no terminal:")
		fmt.Fprintln(&out, v.plain(&st, rooms))
		empty := serve.Status{}
		fmt.Fprintln(&out, v.plain(&empty, nil))
	}
	golden(t, "serve.txt", out.String())
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Error("what machines say reaches the terminal as they said it")
	}
}

// What scripts read of an evening, as docs/json.md has it.
func TestServeEvents(t *testing.T) {
	st := evening(20 * time.Second)
	said := catalog.Event{Kind: catalog.Ran, Script: "post", Exit: 3, Output: "mounting\nno such file\n", Disk: "/dev/sda, 500.0 GB"}
	var out strings.Builder
	enc := json.NewEncoder(&out)
	for _, e := range []any{
		imageEventOf(&st.Images[0]), imageEventOf(&st.Images[1]),
		machineEventOf(&serve.MachineNews{MachineStatus: st.Machines[3]}),
		machineEventOf(&serve.MachineNews{MachineStatus: st.Machines[5], Event: &said}),
		serveStatusOf(&st),
	} {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "serve.json", out.String())
}

// Anybody in the network can say that he is a machine.
func TestWhatMachinesSayIsNotObeyed(t *testing.T) {
	const evil = "x\x1b]0;owned\x07\u202e"
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	v := newServeView(screen.New(out), &events{})
	m := serve.MachineStatus{Machine: catalog.Machine{MAC: evil, Name: evil}, State: serve.Failed, Text: evil}
	e := catalog.Event{Kind: catalog.Ran, Script: evil, Text: evil, Disk: evil, Output: evil + "\n" + evil, Exit: 1}
	v.news(serve.News{Machine: &serve.MachineNews{MachineStatus: m, Event: &e}})
	if b, err := os.ReadFile(out.Name()); err != nil || bytes.ContainsAny(b, "\x1b\x07\u202e") || bytes.Count(b, []byte("\n")) != 3 {
		t.Errorf("%q, %v", b, err)
	}
}
