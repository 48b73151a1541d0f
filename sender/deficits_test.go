package sender

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// TestEveryReportCounts: of two reports that come together the newer is believed:
// its room at once, its deficits within 5 ms.
func TestEveryReportCounts(t *testing.T) {
	d := newDemand(t, noise{imagetest.Manifest(t, 100_000, 100_000)}, protocol.DefaultSymbolSize)
	d.ask(nil)
	d.report.Serial++
	d.report.Room, d.report.Buffer = 77, 99
	d.report.Counters.Received = 1234
	d.report.Deficits = everything(2, protocol.NeedAll)
	if !d.scheduler.report(d.now, &d.report) {
		t.Fatal("a newer report is no news")
	}
	if r := d.members[0].report; r.Room != 77 || r.Buffer != 99 || r.Counters.Received != 1234 {
		t.Errorf("room %d, buffer %d, %d received: not what the newer report says", r.Room, r.Buffer, r.Counters.Received)
	}
	clear(d.report.Deficits) // the memory is its owner's again
	d.tick(d.now.Add(5 * time.Millisecond))
	if n := d.objects[protocol.ObjectImage].whole.Count(); n != 2 {
		t.Errorf("%d blocks are to be sent, want the 2 that the newer report asks for", n)
	}
}
