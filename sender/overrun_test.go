package sender

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// TestWhoHangsIsNotTrusted: that little is gained without a member holds only as
// long as it goes on writing.
func TestWhoHangsIsNotTrusted(t *testing.T) {
	now := time.Now()
	r := &protocol.Report{}
	sent := protocol.Seq(100)
	r.AsOf = sent
	step := func(blocks uint32) {
		now = now.Add(reviewEach)
		r.Counters.Lanes[0] += blocks
		sent += 20_000
		r.AsOf = sent
	}
	var o overrun
	if !o.begin(now, r, sent) {
		t.Fatal("there is no trial")
	}
	step(100)
	if o.review(now, r, false, sent); o.is() {
		t.Fatal("overrun though it missed nothing")
	}
	step(100)
	if o.begin(now, r, sent) {
		t.Fatal("on trial again though it writes")
	}
	step(0)
	if !o.begin(now, r, sent) {
		t.Error("all wait for one that hangs")
	}
}

// TestWhatPilesUpIsMissed: one that takes a third of what is sent is too slow, also
// while its socket still holds all the rest.
func TestWhatPilesUpIsMissed(t *testing.T) {
	for _, c := range []struct {
		took    protocol.Seq // of 30000
		tooSlow bool
	}{{10_000, true}, {26_000, true}, {29_000, false}, {30_000, false}, {31_000, false}} {
		now := time.Now()
		r := &protocol.Report{AsOf: 1000}
		var o overrun
		o.begin(now, r, 1200)
		r.AsOf += c.took
		r.Counters.Lanes[0] += 60
		r.Counters.Received += uint64(c.took)
		if o.review(now.Add(reviewEach), r, false, 31_200); o.is() != c.tooSlow {
			t.Errorf("took %d of 30000 that were sent: is overrun %v", c.took, o.is())
		}
	}
}
