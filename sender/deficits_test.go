package sender

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
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

// TestEveryPageCounts: a receiver that lacks more than a report can name goes on
// in the next one. Its pages are all taken, however close they come, as after a
// write that blocked.
func TestEveryPageCounts(t *testing.T) {
	d := newDemand(t, noise{imagetest.Manifest(t, 100_000, 100_000, 100_000, 100_000)}, protocol.DefaultSymbolSize)
	for page := range protocol.SBN(4) {
		d.report.Serial++
		d.report.From, d.report.To = page, page+1
		d.report.Deficits = []protocol.Deficit{{First: page, Count: 1, Need: protocol.NeedAll}}
		d.scheduler.report(d.now, &d.report)
	}
	if n := d.objects[protocol.ObjectImage].whole.Count(); n != 4 {
		t.Errorf("%d blocks are to be sent, want all 4 that the pages ask for", n)
	}
}

// TestPagesAreBounded: who sends page after page without end has so many looked at
// as honest ones need.
func TestPagesAreBounded(t *testing.T) {
	const blocks = 200
	d := newDemand(t, noise{imagetest.Manifest(t, slices.Repeat([]int{100_000}, blocks)...)}, protocol.DefaultSymbolSize)
	for page := range protocol.SBN(blocks) {
		d.report.Serial++
		d.report.From, d.report.To = page, page+1
		d.report.Deficits = []protocol.Deficit{{First: page, Count: 1, Need: protocol.NeedAll}}
		d.scheduler.report(d.now, &d.report)
	}
	if n := d.objects[protocol.ObjectImage].whole.Count(); n > 20 {
		t.Errorf("%d pages were looked at in no time, want at most 20", n)
	}
}

// terabyte is a scheduler of an image of 1 TiB.
func terabyte() *scheduler {
	s := &scheduler{packet: 1448}
	for i := range s.objects {
		s.objects[i] = manifestObject(1<<40, protocol.DefaultSymbolSize)
		s.objects[i].id = protocol.Object(i)
	}
	return s
}

// TestPlacesCostLittle: a place costs memory for the blocks of the image only
// once its receiver says what it lacks, and no longer than it is there.
func TestPlacesCostLittle(t *testing.T) {
	s, now := terabyte(), time.Unix(1000, 0)
	reports := func(m *member, deficits []protocol.Deficit) {
		now = now.Add(minInterval)
		s.report(now, &protocol.Report{Number: m.number, Serial: m.report.Serial + 1, State: protocol.ReceiverReceiving,
			Object: protocol.ObjectImage, To: protocol.MaxSBN, Deficits: deficits})
	}
	held := func(m *member) bool { return m.lacks != [2]*blockset.Set{} }
	m, _ := s.admit(now, &protocol.Join{Receiver: 1}, netip.MustParseAddrPort("10.0.0.1:9"))
	if reports(m, nil); held(m) {
		t.Error("a receiver that lacks nothing costs a set of blocks")
	}
	if reports(m, everything(5, protocol.NeedAll)); !m.lacking(protocol.ObjectImage, 4) || m.lacking(protocol.ObjectImage, 5) {
		t.Error("what it lacks is not known")
	}
	now = now.Add(time.Hour)
	if s.tick(now); held(m) || len(s.alive) != 0 {
		t.Error("one that is gone still costs a set of blocks")
	}
	reports(m, everything(7, protocol.NeedAll))
	if len(s.alive) != 1 || !m.lacking(protocol.ObjectImage, 6) {
		t.Error("it is not back")
	}
}

// TestManyNamesOfOneMachine: a machine has no more than some places as long as
// they do not report; those of others are none of its business.
func TestManyNamesOfOneMachine(t *testing.T) {
	s, now := terabyte(), time.Unix(1000, 0)
	join := func(id int, from string) *member {
		m, full := s.admit(now, &protocol.Join{Receiver: protocol.ReceiverID(id)}, netip.MustParseAddrPort(from))
		if full {
			t.Errorf("receiver %d is told that the session is full, which ends it", id)
		}
		return m
	}
	for i := range mostSilent {
		if join(i, "10.0.0.1:9") == nil {
			t.Fatalf("receiver %d has no place", i)
		}
	}
	s.tick(now.Add(time.Hour)) // gone, but in the table
	if join(1000, "10.0.0.1:10") != nil {
		t.Error("one more has a place")
	}
	if join(3, "10.0.0.1:10") == nil {
		t.Error("one that was here before has lost its place")
	}
	if join(2000, "10.0.0.2:9") == nil {
		t.Error("another machine has no place")
	}
	s.report(now, &protocol.Report{Number: 5, Serial: 1, State: protocol.ReceiverJoined})
	if join(1000, "10.0.0.1:10") == nil {
		t.Error("none has a place after one reported")
	}
}

// TestStaleReportIsSoonRead: a report that names a whole terabyte as of long ago
// is not looked through block by block, and an honest one is taken in parts.
func TestStaleReportIsSoonRead(t *testing.T) {
	o := terabyte().objects[0]
	for i := range o.sent {
		o.sent[i] = 9
	}
	if looks := o.lackWhole(0, o.n, 8, mostLooks); looks < mostLooks || looks > mostLooks+4096 {
		t.Errorf("%d blocks were looked at", looks)
	}
	for range o.n/mostLooks + 1 {
		o.lackWhole(0, o.n, 9, mostLooks)
	}
	if n := o.whole.Count(); n != o.n {
		t.Errorf("%d of %d blocks are to be sent", n, o.n)
	}
}
