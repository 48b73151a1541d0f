package main

import (
	"encoding/json"
	"math"
	"os"
	"strconv"
	"sync"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/pxecast/pxecast/sender"
)

// The JSON that --json prints, one object a line. docs/json.md describes it;
// fields are added there and never change their meaning.

// laneBlocks counts blocks by the way they came.
type laneBlocks struct {
	Multicast uint32 `json:"multicast"`
	Peer      uint32 `json:"peer"`
	TFTP      uint32 `json:"tftp"`
}

// machine is one receiver.
type machine struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Address      string     `json:"address"`
	State        string     `json:"state"`
	Error        *string    `json:"error"`
	Seconds      float64    `json:"seconds"`
	BytesWritten uint64     `json:"bytes_written"`
	Progress     float64    `json:"progress"`
	LastSeen     *string    `json:"last_seen"`
	MBPerS       float64    `json:"mb_per_s"`
	PacketsLost  uint64     `json:"packets_lost"`
	BlocksShed   uint32     `json:"blocks_shed"`
	Lanes        laneBlocks `json:"lanes"`
}

// traffic is what a sender has sent.
type traffic struct {
	SentPackets uint64 `json:"sent_packets"`
	SentBytes   uint64 `json:"sent_bytes"`
	RepairBytes uint64 `json:"repair_bytes"`
}

type packingEvent struct {
	Event       string `json:"event"` // "packing"
	InBytes     int64  `json:"in_bytes"`
	InTotal     *int64 `json:"in_total"`
	RawBytes    int64  `json:"raw_bytes"`
	PackedBytes int64  `json:"packed_bytes"`
}

type sendStatusEvent struct {
	Event string `json:"event"` // "status"
	sessionState
}

// sessionState is what a session looks like.
type sessionState struct {
	State string `json:"state"`
	traffic
	Loss      float64   `json:"loss"`
	Receivers []machine `json:"receivers"`
}

type receiverEvent struct {
	Event string `json:"event"` // "receiver"
	machine
}

type summaryEvent struct {
	Event       string  `json:"event"` // "summary"
	ImageID     *string `json:"image_id"`
	RawBytes    int64   `json:"raw_bytes"`
	PackedBytes int64   `json:"packed_bytes"`
	traffic
	Seconds   float64   `json:"seconds"`
	Error     *string   `json:"error"`
	Receivers []machine `json:"receivers"`
}

// ownEvent is what a receiver says of itself: "status", "done" or "failed".
type ownEvent struct {
	Event    string  `json:"event"`
	ImageID  *string `json:"image_id"`
	RawBytes int64   `json:"raw_bytes"`
	machine
	BytesReused  int64         `json:"bytes_reused"`
	BlocksServed int64         `json:"blocks_served"`
	PeersDropped []droppedPeer `json:"peers_dropped"`
}

// failedEvent is the "failed" one, with what failed.
type failedEvent struct {
	ownEvent
	Cause *string `json:"cause"`
}

// statusEvent is an ownEvent with how it goes on.
type statusEvent struct {
	ownEvent
	progressFields
}

// progressFields are how fast a receiver gets on, and what holds it up.
type progressFields struct {
	Image           string   `json:"image"` // its name
	RateMBPerS      float64  `json:"rate_mb_per_s"`
	SecondsLeft     *float64 `json:"seconds_left"`
	LimitedBy       *string  `json:"limited_by"`
	Waiting         *string  `json:"waiting"`
	SymbolsRepaired uint64   `json:"symbols_repaired"`
	BytesChecked    *int64   `json:"bytes_checked"`
	BytesVerified   int64    `json:"bytes_verified"`
	Room            roomJSON `json:"room"`
}

// roomJSON is what the sender says of all machines.
type roomJSON struct {
	Machines int     `json:"machines"`
	Done     int     `json:"done"`
	Failed   int     `json:"failed"`
	Slowest  float64 `json:"slowest"` // fraction of the image
}

func progressOf(st *receiver.Status, p pace) progressFields {
	f := progressFields{
		Image: st.Name, RateMBPerS: millis(p.rate / 1e6), LimitedBy: orNull(p.limit), Waiting: orNull(st.Waiting),
		SymbolsRepaired: st.Counters.Repaired, BytesVerified: st.Verified,
		Room: roomJSON{st.Room.Machines, st.Room.Done, st.Room.Failed, float64(st.Room.Slowest) / 1000},
	}
	if left := float64(st.RawSize) - p.done; p.rate > 0 && left >= 0 {
		seconds := millis(left / p.rate)
		f.SecondsLeft = &seconds
	}
	if st.Check.Running {
		f.BytesChecked = &st.Check.Bytes
	}
	return f
}

// droppedPeer is a machine that failed this one when it was asked for blocks.
type droppedPeer struct {
	Address string `json:"address"`
	Reason  string `json:"reason"`
	ForEver bool   `json:"for_ever"`
}

// noticeEvent is what people should know of how blocks come.
type noticeEvent struct {
	Event string `json:"event"` // "notice"
	Kind  string `json:"kind"`
	Text  string `json:"text"`
}

// events prints objects when --json asks for them.
type events struct {
	mu      sync.Mutex
	encoder *json.Encoder // nil: prints nothing
}

func newEvents(on bool, f *os.File) *events {
	if !on {
		return &events{}
	}
	return &events{encoder: json.NewEncoder(f)}
}

func (e *events) on() bool { return e.encoder != nil }

// print writes one event; any goroutine may. One that can't be written has no
// reader: the work goes on.
func (e *events) print(event any) {
	if e.on() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.encoder.Encode(event)
	}
}

// object prints the one object that is a command's whole answer.
func (p *program) object(v any) error { return json.NewEncoder(p.out).Encode(v) }

// orNull returns null for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func idText(id image.ID) *string {
	if id == (image.ID{}) {
		return nil
	}
	s := id.String()
	return &s
}

// counted fills in what a receiver's counters say, of an image of raw bytes and
// after a time in seconds.
func (m *machine) counted(n *protocol.Counters, raw int64, seconds float64) {
	m.Seconds, m.BytesWritten = millis(seconds), n.Written
	if raw > 0 {
		m.Progress = math.Floor(float64(n.Written)/float64(raw)*1000) / 1000 // 1 only when all is written
	}
	if seconds > 0 {
		m.MBPerS = millis(float64(n.Written) / 1e6 / seconds)
	}
	m.PacketsLost, m.BlocksShed = n.Lost, n.Shed
	m.Lanes = laneBlocks{n.Lanes[0], n.Lanes[1], n.Lanes[2]}
}

// millis rounds to three digits after the point.
func millis(f float64) float64 { return math.Round(f*1000) / 1000 }

func receiverIDText(id protocol.ReceiverID) string {
	const digits = 16
	s := strconv.FormatUint(uint64(id), 16)
	return "0000000000000000"[:digits-len(s)] + s
}

// machineOf describes a receiver of an image of raw bytes as the sender sees it.
func machineOf(r *sender.ReceiverStatus, raw int64) machine {
	m := machine{ID: receiverIDText(r.ID), Name: r.Name, Address: r.Address, State: r.State.String(), Error: orNull(r.Error)}
	if !r.Heard.IsZero() {
		m.LastSeen = orNull(r.Heard.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	m.counted(&r.Counters, raw, r.Seconds)
	return m
}

func machinesOf(st *sender.Status) []machine {
	list := make([]machine, len(st.Receivers)) // never null in JSON
	for i := range list {
		list[i] = machineOf(&st.Receivers[i], st.RawSize)
	}
	return list
}

func trafficOf(t sender.Traffic) traffic { return traffic{t.Packets, t.Bytes, t.RepairBytes} }

// ownEventOf describes this receiver.
func ownEventOf(event string, id protocol.ReceiverID, address string, st *receiver.Status) ownEvent {
	e := ownEvent{Event: event, ImageID: idText(st.ImageID), RawBytes: st.RawSize}
	e.machine = machine{ID: receiverIDText(id), Name: hostname(), Address: address, State: st.State.String()}
	e.counted(&st.Counters, st.RawSize, st.Seconds)
	e.BytesReused, e.BlocksServed = st.Check.Equal, st.Served
	e.PeersDropped = make([]droppedPeer, len(st.Dropped)) // never null in JSON
	for i, d := range st.Dropped {
		e.PeersDropped[i] = droppedPeer{d.Peer.String(), d.Reason, d.ForEver}
	}
	return e
}
