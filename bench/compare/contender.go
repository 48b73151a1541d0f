package main

import (
	"context"
	"time"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/lab"
)

// A Contender is a way to bring an image to many disks.
type Contender interface {
	// Name is short and the same in every run: results are kept under it.
	Name() string
	// Timed says in one line what its time covers.
	Timed() string
	// CommandLines are what a user would type: the sender's, a receiver's.
	CommandLines(Scenario) []string
	// Run images every receiver of the lab once. Host 0 sends. An error means
	// that not every receiver has the image.
	Run(context.Context, *lab.Lab, Scenario) (Outcome, error)
}

// Scenario is what is to be done.
type Scenario struct {
	Name    string
	Image   disks.Disk // the user's file
	Raw     string     // the same, unpacked
	Targets []string   // the file that each receiver writes, in order
	Work    string     // folder for keys, caches and logs
}

// Outcome is what a run was like at both ends.
type Outcome struct {
	Sender  Usage    `json:"sender"`
	Clients []Client `json:"clients"` // in the order of Scenario.Targets
}

// Usage is what a process took of the machine.
type Usage struct {
	CPUSeconds float64 `json:"cpu_seconds"` // user and system
	PeakMemory int64   `json:"peak_memory"` // largest resident size, bytes
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
	Seconds      float64 `json:"seconds"`
	BytesWritten int64   `json:"bytes_written"`
	MBPerS       float64 `json:"mb_per_s"`
	PacketsLost  int64   `json:"packets_lost"`
	BlocksShed   int64   `json:"blocks_shed"`
}

// Restored is the client's throughput in MB of disk per second: bytes of the
// raw image, free space included, in 10⁶ bytes.
func (c Client) Restored(raw int64) float64 { return float64(raw) / 1e6 / c.Seconds }

// runTimeout ends a run that hangs. It allows 5 MB/s.
func runTimeout(raw int64) time.Duration {
	return 30*time.Second + time.Duration(raw/5e6)*time.Second
}
