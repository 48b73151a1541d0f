package lab

import (
	"context"
	"encoding/json"
	"fmt"
)

// countQueue is more packets than a host's sockets let wait: nothing is dropped.
const countQueue = "10000"

// Sent is what left a host's port as Ethernet frames (without preamble, gap and
// checksum). A segmentation-offload packet counts as the frames that it becomes
// on a cable, each with its headers, which no counter of the interface does.
type Sent struct {
	Frames, Bytes int64
	Dropped       int64 // at the port itself: nothing that the lab means to do
}

// CountSent begins to count what a host without a rate limit sends; a rate limit
// counts by itself. Setting or lifting a rate limit starts anew.
func (h *Host) CountSent() error {
	return run(context.Background(), "", "tc", "-n", h.namespace, "qdisc", "replace", "dev", Interface,
		"root", "pfifo", "limit", countQueue)
}

// Sent reads the count. It is an error if nothing counts.
func (h *Host) Sent() (Sent, error) {
	out, err := output(context.Background(), "", "tc", "-n", h.namespace, "-s", "-j", "qdisc", "show", "dev", Interface)
	if err != nil {
		return Sent{}, err
	}
	return parseSent(out)
}

// parseSent reads the JSON of tc -s -j qdisc show.
func parseSent(out string) (Sent, error) {
	var queues []struct {
		Kind                  string
		Root                  bool
		Packets, Bytes, Drops int64
	}
	if err := json.Unmarshal([]byte(out), &queues); err != nil {
		return Sent{}, fmt.Errorf("lab: reading tc's counters: %w", err)
	}
	for _, q := range queues {
		if q.Root && (q.Kind == "pfifo" || q.Kind == "tbf") {
			return Sent{Frames: q.Packets, Bytes: q.Bytes, Dropped: q.Drops}, nil
		}
	}
	return Sent{}, fmt.Errorf("lab: nothing counts what is sent (call CountSent)")
}
