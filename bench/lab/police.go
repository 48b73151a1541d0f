package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
)

// policeTable is the name of the host's nftables table of its policer, in the
// bridge's namespace.
func (h *Host) policeTable() string { return "pxelimit_" + h.port() }

// policedPacket is the size in bytes of the IP packets that a policer counts: those of
// a session's data at the usual MTU.
const policedPacket = 1470

// SetPolicer limits the multicast that the switch takes from the host, in
// Mbit/s of full IP packets; 0 lifts the limit. What is more is dropped at once, for
// all receivers alike, as by a switch's storm control. While it is set, all
// hosts of the lab send per datagram, see SetLoss.
func (h *Host) SetPolicer(mbit float64) error {
	if mbit < 0 || math.IsNaN(mbit) {
		return fmt.Errorf("lab: policer of %g Mbit/s", mbit)
	}
	l := h.lab
	l.offload.Lock()
	defer l.offload.Unlock()
	if had, has := h.policed, mbit > 0; has && !had {
		l.lossy++
	} else if had && !has {
		l.lossy--
	}
	h.policed = mbit > 0
	for _, other := range l.hosts {
		if err := errors.Join(other.applySegmentation(), other.applyCoalescing()); err != nil {
			return err
		}
	}
	return run(context.Background(), policeRules(h.policeTable(), h.port(), mbit), "ip", "netns", "exec", l.bridge, "nft", "-f", "-")
}

// policeRules writes the table for nft(8), which replaces the one before.
func policeRules(table, port string, mbit float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table netdev %[1]s\ndelete table netdev %[1]s\n", table)
	if mbit == 0 {
		return b.String()
	}
	fmt.Fprintf(&b, "table netdev %s {\nchain in {\ntype filter hook ingress device \"%s\" priority 0; policy accept;\n", table, port)
	// A tenth of a second's worth of burst, as such limits have. It is counted in full
	// packets: nft's bucket for bytes holds a second more than its burst says.
	packets := mbit * 1e6 / 8 / policedPacket
	fmt.Fprintf(&b, "ip daddr 232.0.0.0/8 ip protocol udp limit rate over %.0f/second burst %.0f packets drop\n}\n}\n", packets, max(1, packets/10))
	return b.String()
}
