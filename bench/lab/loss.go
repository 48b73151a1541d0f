package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Loss is what a host's cable loses of the UDP datagrams coming in. The zero
// value loses nothing. Percent and bursts may be combined.
type Loss struct {
	// Percent of the datagrams is dropped, each by its own throw of the dice:
	// independently of the others and of other hosts. 0..100.
	Percent float64
	// Of every BurstEvery datagrams the last BurstLength are dropped, in a row.
	// Both 0: no bursts.
	BurstEvery, BurstLength int
	// AllUDP extends the loss to unicast. Default: only multicast is lost.
	AllUDP bool
}

func (l Loss) validate() error {
	switch {
	case math.IsNaN(l.Percent) || l.Percent < 0 || l.Percent > 100:
		return fmt.Errorf("lab: loss of %g percent", l.Percent)
	case l.BurstLength < 0 || l.BurstEvery < 0 || (l.BurstLength > 0) != (l.BurstEvery > 0):
		return fmt.Errorf("lab: bursts of %d in %d datagrams", l.BurstLength, l.BurstEvery)
	case l.BurstLength > l.BurstEvery:
		return fmt.Errorf("lab: bursts of %d in only %d datagrams", l.BurstLength, l.BurstEvery)
	}
	return nil
}

// LossCount counts the datagrams that a Loss decided about, since it was set.
// They include the ones that no socket of the host wanted.
type LossCount struct {
	Seen, Dropped uint64
}

// lossScale is the resolution of Percent: a millionth.
const lossScale = 1_000_000

// lossTable is the name of the host's nftables table, in the bridge's namespace.
func (h *Host) lossTable() string { return "pxelab_" + h.port() }

// rules writes the table for nft(8). It stands where the switch hands datagrams
// to the cable (netdev egress, Linux 5.16 and nft 1.0.1): before the host's
// interface, which may join what it gets into larger packets, and before any
// counter of the host's own network stack.
func (l Loss) rules(table, port string) string {
	match := "ip daddr 224.0.0.0/4 ip protocol udp"
	if l.AllUDP {
		match = "ip protocol udp"
	}
	var b strings.Builder
	// Naming the table before deleting it makes the deletion succeed when it
	// did not exist. All of this is one transaction.
	fmt.Fprintf(&b, "table netdev %[1]s\ndelete table netdev %[1]s\n", table)
	if l == (Loss{}) {
		return b.String()
	}
	fmt.Fprintf(&b, "table netdev %s {\ncounter seen { }\ncounter dropped { }\n", table)
	fmt.Fprintf(&b, "chain out {\ntype filter hook egress device \"%s\" priority 0; policy accept;\n", port)
	fmt.Fprintf(&b, "%s counter name seen\n", match)
	if l.BurstLength > 0 {
		fmt.Fprintf(&b, "%s numgen inc mod %d >= %d counter name dropped drop\n", match, l.BurstEvery, l.BurstEvery-l.BurstLength)
	}
	if limit := int(math.Round(l.Percent / 100 * lossScale)); limit > 0 {
		fmt.Fprintf(&b, "%s numgen random mod %d < %d counter name dropped drop\n", match, lossScale, limit)
	}
	b.WriteString("}\n}\n")
	return b.String()
}

// SetLoss replaces what the host's cable loses, and starts its count anew.
//
// A segmentation-offload packet would be lost whole, some 45 datagrams at once.
// So while any host has a loss set, all hosts of the lab send per datagram (see
// SetSegmentation), and their interfaces join what comes in one after the other
// (see applyCoalescing). That costs speed all the same: about 100 MB/s to 4
// receivers instead of 1500 on the machine this was made on.
func (h *Host) SetLoss(loss Loss) error {
	if err := loss.validate(); err != nil {
		return err
	}
	l := h.lab
	l.offload.Lock()
	defer l.offload.Unlock()
	if had, has := h.loss != (Loss{}), loss != (Loss{}); has && !had {
		l.lossy++
	} else if had && !has {
		l.lossy--
	}
	h.loss = loss
	for _, other := range l.hosts {
		if err := errors.Join(other.applySegmentation(), other.applyCoalescing()); err != nil {
			return err
		}
	}
	return run(context.Background(), loss.rules(h.lossTable(), h.port()), "ip", "netns", "exec", l.bridge, "nft", "-f", "-")
}

// LossCount reads how many datagrams the host's loss has seen and dropped. With
// no loss set both are 0.
func (h *Host) LossCount() (LossCount, error) {
	h.lab.offload.Lock()
	set := h.loss != (Loss{})
	h.lab.offload.Unlock()
	if !set {
		return LossCount{}, nil
	}
	out, err := output(context.Background(), "", "ip", "netns", "exec", h.lab.bridge,
		"nft", "-j", "list", "counters", "table", "netdev", h.lossTable())
	if err != nil {
		return LossCount{}, err
	}
	return parseCounters(out)
}

// parseCounters reads the JSON of nft -j list counters.
func parseCounters(out string) (LossCount, error) {
	var listing struct {
		Nftables []struct {
			Counter *struct {
				Name    string
				Packets uint64
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &listing); err != nil {
		return LossCount{}, fmt.Errorf("lab: reading nft's counters: %w", err)
	}
	var c LossCount
	for _, item := range listing.Nftables {
		switch {
		case item.Counter == nil:
		case item.Counter.Name == "seen":
			c.Seen = item.Counter.Packets
		case item.Counter.Name == "dropped":
			c.Dropped = item.Counter.Packets
		}
	}
	return c, nil
}
