package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The recipe of a rate limit: the burst lets one segmentation-offload packet
// through whole, up to 64 KiB of payload and the headers of each datagram in it,
// which count as on a cable; and 4 MB of queue exceed any socket's send buffer,
// so that the sender waits rather than loses.
const (
	tbfBurst = "72kb"
	tbfLimit = "4mb"
	// switchBuffer is what a port towards a host holds before it drops, about
	// what a small switch has to share.
	switchBuffer = "512kb"
)

// SetRate limits what the host can send, in Mbit/s of Ethernet frames (without
// preamble and gap); 0 lifts the limit. The host's sockets block, nothing is
// dropped.
func (h *Host) SetRate(mbit float64) error {
	return setRate(h.namespace, Interface, tbfLimit, mbit)
}

// SetReceiveRate limits what reaches the host, in Mbit/s; 0 lifts the limit.
// What exceeds it for longer than a small switch's buffer lasts is dropped, as
// for the one machine with the 100 Mbit/s cable.
func (h *Host) SetReceiveRate(mbit float64) error {
	return setRate(h.lab.bridge, h.port(), switchBuffer, mbit)
}

func setRate(namespace, dev, limit string, mbit float64) error {
	if mbit < 0 {
		return fmt.Errorf("lab: rate of %g Mbit/s", mbit)
	}
	ctx := context.Background()
	if mbit == 0 {
		// The default qdisc of a veth is none; replacing by it works whether
		// or not a limit was set.
		return run(ctx, "", "tc", "-n", namespace, "qdisc", "replace", "dev", dev, "root", "noqueue")
	}
	return run(ctx, "", "tc", "-n", namespace, "qdisc", "replace", "dev", dev, "root", "tbf",
		"rate", strconv.FormatFloat(mbit*1e6, 'f', 0, 64)+"bit", "burst", tbfBurst, "limit", limit)
}

// SetSegmentation chooses how the host's UDP segmentation-offload (GSO) sends
// cross the lab. Whole (false, the default): as one packet of up to 64 kB, all
// the way into the receivers' sockets, which is fast. Per datagram (true): cut
// up where they leave the host, as on a cable.
//
// While any host of the lab has a loss set, all hosts send per datagram,
// whatever was asked for here: see SetLoss.
func (h *Host) SetSegmentation(perDatagram bool) error {
	h.lab.offload.Lock()
	defer h.lab.offload.Unlock()
	h.perDatagram = perDatagram
	return h.applySegmentation()
}

// applySegmentation needs lab.offload. Measured on Linux 6.18: switching off
// tx-udp-segmentation cuts at the sender; switching off "gso" changes nothing
// for UDP; and cutting on the bridge's ports instead overruns the CPU's packet
// backlog, which drops at random.
func (h *Host) applySegmentation() error {
	want := h.perDatagram || h.lab.lossy > 0
	if h.split == want {
		return nil
	}
	err := ethtool(h.namespace, Interface, "tx-udp-segmentation", !want)
	if err == nil {
		h.split = want
	}
	return err
}

// applyCoalescing needs lab.offload. While the lab is lossy, every host's
// interface joins datagrams of one sender again that come one after the other
// (GRO), as any network card can. Measured on Linux 6.18 with 24 receivers at
// 200 Mbit/s on two busy cores: half the CPU time, and no datagram dropped that
// should not be, where 3 to 5 % were, because a veth interface that does this
// has a queue of its own instead of its share in that of the CPU. It does so
// only for a peer that can't segment TCP (veth_skb_is_eligible_for_gro).
func (h *Host) applyCoalescing() error {
	want := h.lab.lossy > 0
	if h.coalescing == want {
		return nil
	}
	err := errors.Join(
		ethtool(h.lab.bridge, h.port(), "tso", !want),
		ethtool(h.namespace, Interface, "gro", want),
		ethtool(h.namespace, Interface, "rx-udp-gro-forwarding", want), // multicast too
	)
	if err == nil {
		h.coalescing = want
	}
	return err
}

// ethtool switches a feature of an interface.
func ethtool(namespace, dev, feature string, on bool) error {
	state := "off"
	if on {
		state = "on"
	}
	return run(context.Background(), "", "ip", "netns", "exec", namespace, "ethtool", "-K", dev, feature, state)
}

// backlogDrops is the sum over all CPUs of packets dropped because the CPU's
// input queue was full: second column of /proc/net/softnet_stat, hexadecimal.
func backlogDrops() uint64 {
	stat, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		return 0
	}
	var sum uint64
	for line := range strings.Lines(string(stat)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			n, _ := strconv.ParseUint(fields[1], 16, 64)
			sum += n
		}
	}
	return sum
}
