package main

import (
	"math"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/serve"
)

// readyEvent is the first that serve prints: from now on machines can boot.
type readyEvent struct {
	Event     string `json:"event"` // "ready"
	Interface string `json:"interface"`
	Address   string `json:"address"`
	URL       string `json:"url"`
	PublicKey string `json:"public_key"`
}

// imageEvent is an image that is new or in another state than before.
type imageEvent struct {
	Event       string  `json:"event"` // "image"
	Name        string  `json:"name"`
	Title       string  `json:"title"`
	ImageID     *string `json:"image_id"`
	RawBytes    int64   `json:"raw_bytes"`
	PackedBytes int64   `json:"packed_bytes"`
	Problem     *string `json:"problem"`
}

// bootedMachine is a machine in the room.
type bootedMachine struct {
	MAC      string  `json:"mac"`
	UUID     string  `json:"uuid"`
	Name     string  `json:"name"`
	Address  string  `json:"address"`
	State    string  `json:"state"`
	ImageID  *string `json:"image_id"`
	Progress float64 `json:"progress"`
	Text     *string `json:"text"`
}

// machineEvent is a machine in another state than before.
type machineEvent struct {
	Event string `json:"event"` // "machine"
	bootedMachine
	Disk   *string `json:"disk"`
	Script *string `json:"script"` // that ended: "init" or "post"
	Exit   *int    `json:"exit"`   // its exit code
	Output *string `json:"output"` // its last lines
}

// sessionEvent is a session that ended, as of send's summary.
type sessionEvent struct {
	summaryEvent
	Name string `json:"name"`
}

// serveStatusEvent comes about once a second while anything goes on.
type serveStatusEvent struct {
	Event    string          `json:"event"` // "status"
	Sessions []sessionStatus `json:"sessions"`
	Machines []bootedMachine `json:"machines"`
}

type sessionStatus struct {
	Name    string  `json:"name"`
	ImageID *string `json:"image_id"`
	sessionState
}

func imageEventOf(i *catalog.Image) imageEvent {
	return imageEvent{Event: "image", Name: i.Name, Title: i.Title, ImageID: idText(i.ID), RawBytes: i.RawSize,
		PackedBytes: i.PackedSize, Problem: orNull(i.Problem)}
}

func bootedMachineOf(m *serve.MachineStatus) bootedMachine {
	b := bootedMachine{MAC: m.MAC, UUID: m.UUID, Name: m.Name, State: string(m.State), Text: orNull(m.Text)}
	if m.Address.IsValid() {
		b.Address = m.Address.String()
	}
	if m.Image != (image.ID{}) {
		b.ImageID = idText(m.Image)
	}
	b.Progress = math.Floor(m.Progress*1000) / 1000
	return b
}

func machineEventOf(n *serve.MachineNews) machineEvent {
	e := machineEvent{Event: "machine", bootedMachine: bootedMachineOf(&n.MachineStatus)}
	if n.Event != nil {
		e.Disk = orNull(n.Event.Disk)
		if n.Event.Script != "" {
			e.Script, e.Exit, e.Output = &n.Event.Script, &n.Event.Exit, orNull(n.Event.Output)
		}
	}
	return e
}

func serveStatusOf(st *serve.Status) serveStatusEvent {
	e := serveStatusEvent{Event: "status", Sessions: []sessionStatus{}, Machines: []bootedMachine{}}
	for i := range st.Sessions {
		s := &st.Sessions[i]
		e.Sessions = append(e.Sessions, sessionStatus{s.Name, idText(s.ImageID),
			sessionStateOf(s)})
	}
	for i := range st.Machines {
		e.Machines = append(e.Machines, bootedMachineOf(&st.Machines[i]))
	}
	return e
}
