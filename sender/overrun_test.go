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
	step := func(blocks uint32) {
		now = now.Add(reviewEach)
		r.Counters.Lanes[0] += blocks
	}
	var o overrun
	if !o.begin(now, r) {
		t.Fatal("there is no trial")
	}
	step(100)
	if o.review(now, r, false); o.is() {
		t.Fatal("overrun though it missed nothing")
	}
	step(100)
	if o.begin(now, r) {
		t.Fatal("on trial again though it writes")
	}
	step(0)
	if !o.begin(now, r) {
		t.Error("all wait for one that hangs")
	}
}
