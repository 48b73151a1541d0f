package lab_test

import (
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

// stream sends by segmentation offload, 45 datagrams in a packet: they count as
// what they are on a cable. Beside them go end marks and IGMP, which are few.
func TestSentCountsFramesNotOffloadPackets(t *testing.T) {
	const n, frame = 45 * 200, datagram + 14 + 20 + 8
	for _, limited := range []bool{false, true} {
		l := labtest.New(t, lab.Config{Hosts: 2})
		h := l.Host(0)
		if _, err := h.Sent(); err == nil {
			t.Error("a host that counts nothing gave a count")
		}
		set := h.CountSent
		if limited {
			set = func() error { return h.SetRate(500) }
		}
		if err := set(); err != nil {
			t.Fatal(err)
		}
		if m := missing(run(t, l, group, n)[0]); m != 0 {
			t.Errorf("%d datagrams lost", m)
		}
		sent, err := h.Sent()
		if err != nil {
			t.Fatal(err)
		}
		if sent.Frames < n || sent.Frames > n+500 || sent.Bytes < n*frame || sent.Bytes > n*frame+500*60 || sent.Dropped != 0 {
			t.Errorf("limited=%v: %+v for %d frames of %d bytes", limited, sent, n, frame)
		}
	}
}
