package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

// offload tells whether the host's offload sends leave it whole.
func offload(t *testing.T, h *lab.Host) bool {
	t.Helper()
	out, err := h.Command(t.Context(), "ethtool", "-k", lab.Interface).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), "tx-udp-segmentation: on")
}

func TestRateLimitsTheSenderWithoutLoss(t *testing.T) {
	const n, mbit = 10_000, 200.0
	l := labtest.New(t, lab.Config{Hosts: 2})
	if err := l.Host(0).SetRate(mbit); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if m := missing(run(t, l, group, n)[0]); m != 0 {
		t.Errorf("%d datagrams lost at a limited rate", m)
	}
	// Offload packets carry one header each, so count the payload alone; the
	// first 64 kB pass at once.
	least := time.Duration((n*datagram - 64<<10) * 8 / mbit * 1e3)
	if took := time.Since(start); took < least {
		t.Errorf("%d bytes took %v at %g Mbit/s, want at least %v", n*datagram, took, mbit, least)
	}
	if err := l.Host(0).SetRate(0); err != nil {
		t.Fatal(err)
	}
	out, err := l.Host(0).Command(t.Context(), "tc", "qdisc", "show", "dev", lab.Interface).Output()
	if err != nil || strings.Contains(string(out), "tbf") {
		t.Errorf("after SetRate(0): %s (%v)", out, err)
	}
}

func TestReceiveRateDropsWhatIsTooMuch(t *testing.T) {
	const n = 5000
	l := labtest.New(t, lab.Config{Hosts: 3})
	if err := l.Host(1).SetReceiveRate(100); err != nil {
		t.Fatal(err)
	}
	came := run(t, l, group, n)
	if m := missing(came[0]); m == 0 || m == n {
		t.Errorf("%d of %d datagrams lost by the host on the slow cable, want some", m, n)
	}
	if m := missing(came[1]); m != 0 {
		t.Errorf("%d datagrams lost by the host on the fast cable", m)
	}
}
