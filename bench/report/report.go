// Package report holds what a benchmark found: every figure of every run, in a
// form that is kept as JSON, printed as tables and drawn as charts.
package report

import (
	"slices"
	"time"
)

// Report is what a results file holds.
type Report struct {
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	Limits  []Limit   `json:"limits,omitempty"`
	Results []Result  `json:"results"`
	LeftOut []string  `json:"left_out,omitempty"` // scenarios that were planned and not run, each with the reason
}

// Machine is what the figures were measured on.
type Machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	MemoryMB int64  `json:"memory_mb"`
	Kernel   string `json:"kernel"`
	System   string `json:"system"`
	Go       string `json:"go"`
	// Load is the load average of the last minute when the figures were taken.
	Load float64 `json:"load"`
	// Versions are those of the rivals' programs, by their names.
	Versions map[string]string `json:"versions,omitempty"`
}

// Scenario is what was to be done.
type Scenario struct {
	Image       string  `json:"image"` // "debian" or "noise"
	Receivers   int     `json:"receivers"`
	RateMbit    float64 `json:"rate_mbit,omitempty"`    // of the sender's port in Mbit/s; 0: the CPU is what binds
	LossPercent float64 `json:"loss_percent,omitempty"` // of multicast datagrams, at each receiver by itself
	RawBytes    int64   `json:"raw_bytes"`              // of the disk
	PackedBytes int64   `json:"packed_bytes"`           // of the packed image
}

// Result is one run of one contender.
type Result struct {
	Scenario   Scenario `json:"scenario"`
	Contender  string   `json:"contender"`
	Repetition int      `json:"repetition"`
	Commands   []string `json:"commands"`        // as a user would type them
	Timed      string   `json:"timed"`           // what the time covers
	Error      string   `json:"error,omitempty"` // why it did not survive the scenario; the rest is empty then
	Sender     Usage    `json:"sender"`
	Clients    []Client `json:"clients"`
	WireBytes  int64    `json:"wire_bytes"` // Ethernet frames (no preamble, gap or checksum) that left the sender's port
}

// Usage is what a process took of the machine.
type Usage struct {
	UserSeconds   float64 `json:"user_seconds"`
	SystemSeconds float64 `json:"system_seconds"`
	PeakMemory    int64   `json:"peak_memory"` // largest resident size, bytes
}

// Client is how one receiver fared.
type Client struct {
	// Seconds from the sender's start to the receiver's end, all written. The
	// same clock for every contender.
	Seconds float64 `json:"seconds"`
	Usage
	// Own is what the program says of itself, where it says something.
	Own *Own `json:"own,omitempty"`
}

// Own is a receiver's own account of its session.
type Own struct {
	Seconds      float64 `json:"seconds"` // from the first data to the last flush
	BytesWritten int64   `json:"bytes_written"`
	PacketsLost  int64   `json:"packets_lost"`
	BlocksShed   int64   `json:"blocks_shed"`
}

// Limit is the most that this machine could do for an image and a number of
// receivers: its cores, shared by the work that can't be avoided.
type Limit struct {
	Image     string  `json:"image"`
	Receivers int     `json:"receivers"`
	Cores     int     `json:"cores"`
	Stages    []Stage `json:"stages"`
	MBPerS    float64 `json:"mb_per_s"` // of disk restored, at each client: Cores ÷ Σ (Stage.Times × Stage.SecondsPerGB) × 1000
	// Unbilled is how many core-seconds per 10⁹ bytes of disk restored the
	// machine was busy during the network stages beyond what was billed to them:
	// how much the sum leaves out, if the machine did nothing else.
	Unbilled float64 `json:"unbilled_seconds_per_gb"`
}

// KeepLimit takes in a limit. Of two for the same image and number of receivers
// it keeps the higher.
func (r *Report) KeepLimit(l Limit) {
	i := slices.IndexFunc(r.Limits, func(o Limit) bool { return o.Image == l.Image && o.Receivers == l.Receivers })
	if i < 0 {
		r.Limits = append(r.Limits, l)
	} else if l.MBPerS > r.Limits[i].MBPerS {
		r.Limits[i] = l
	}
}

// The stages of a limit, in the order that data takes.
const (
	StageSend    = "socket send"
	StageReceive = "socket receive"
	StageDecode  = "zstd decode"
	StageDigest  = "digest"
	StageWrite   = "disk write"
)

// Stage is one kind of that work, measured alone.
type Stage struct {
	Name         string  `json:"name"`           // "socket send", "socket receive", "zstd decode", "digest", "disk write"
	Times        int     `json:"times"`          // 1 at the sender, the number of receivers at the receivers
	SecondsPerGB float64 `json:"seconds_per_gb"` // core-seconds, user and system, per 10⁹ bytes of disk restored; median
	Spread       float64 `json:"spread"`         // (max−min) ÷ median of its measurements
}
