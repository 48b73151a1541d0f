package sender

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// trial is one member and the most that one of the others has taken.
type trial struct {
	*testing.T
	now    time.Time
	member member
	front  protocol.Seq
}

func newTrial(t *testing.T) *trial {
	tr := &trial{T: t, now: time.Unix(1000, 0), front: 1200}
	tr.report(1000, 0)
	return tr
}

// report lets the member say that it took so many datagrams more and wrote so
// many blocks more.
func (tr *trial) report(took protocol.Seq, blocks uint32) {
	r := tr.member.report
	r.AsOf += took
	r.Counters.Received += uint64(took)
	r.Counters.Lanes[0] += blocks
	tr.member.update(tr.now, &r, tr.front)
}

// pass lets the time between two looks go by, in which the others take so many
// datagrams and the member reports.
func (tr *trial) pass(theirs, took protocol.Seq, blocks uint32) {
	tr.now = tr.now.Add(reviewEach)
	tr.front += theirs
	tr.report(took, blocks)
}

func (tr *trial) begin() bool { return tr.member.overrun.begin(tr.now, &tr.member, tr.front) }

// review looks at the member, which does not keep up, and tells whether it is overrun.
func (tr *trial) review() bool {
	tr.member.overrun.review(tr.now, &tr.member, false, tr.front)
	return tr.member.overrun.is()
}

// TestWhoHangsIsNotTrusted: that little is gained without a member holds only as
// long as it goes on writing.
func TestWhoHangsIsNotTrusted(t *testing.T) {
	tr := newTrial(t)
	if !tr.begin() {
		t.Fatal("there is no trial")
	}
	if tr.pass(20_000, 20_000, 100); tr.review() {
		t.Fatal("overrun though it missed nothing")
	}
	if tr.pass(20_000, 20_000, 100); tr.begin() {
		t.Fatal("on trial again though it writes")
	}
	if tr.now = tr.now.Add(reviewEach); tr.begin() {
		t.Fatal("hangs, though it has not reported since")
	}
	if tr.report(0, 0); !tr.begin() {
		t.Error("all wait for one that hangs")
	}
}

// TestWhatPilesUpIsMissed: one that takes a third of what the others take is too
// slow, also while its socket still holds all the rest; at each look anew.
func TestWhatPilesUpIsMissed(t *testing.T) {
	for _, c := range []struct {
		took    protocol.Seq // of 30000
		tooSlow bool
	}{{10_000, true}, {26_000, true}, {29_000, false}, {30_000, false}, {31_000, false}} {
		tr := newTrial(t)
		tr.begin()
		for range 3 {
			tr.pass(30_000, 10_000, 60)
			if !tr.review() {
				t.Fatal("one that takes a third is waited for")
			}
		}
		if tr.pass(30_000, c.took, 60); tr.review() != c.tooSlow {
			t.Errorf("took %d of 30000 that others took: is overrun %v", c.took, !c.tooSlow)
		}
	}
}

// TestOldReportsAreNoLag: a member is compared with the others over the time between
// its reports, which may be seconds apart, and not when there is none.
func TestOldReportsAreNoLag(t *testing.T) {
	tr := newTrial(t)
	tr.begin()
	tr.now = tr.now.Add(3 * reviewEach / 2)
	tr.front += 15_000
	if !tr.review() {
		t.Error("judged without a report")
	}
	tr.report(15_000, 60)
	tr.now = tr.now.Add(reviewEach / 2)
	tr.front += 5_000
	if tr.review() {
		t.Error("what the others took since its report counts as missed")
	}
}

// TestNobodyElseIsNoPace: nothing is decided as long as there is nothing to compare
// with: none of the others is known, or they took nothing.
func TestNobodyElseIsNoPace(t *testing.T) {
	tr := newTrial(t)
	tr.front = 0
	tr.begin()
	if tr.pass(100_000, 20_000, 60); !tr.review() {
		t.Error("waited for, though nothing was known of the others before")
	}
	if tr.pass(0, 20_000, 60); !tr.review() {
		t.Error("waited for, though the others took nothing")
	}
	if tr.pass(20_000, 20_000, 60); tr.review() {
		t.Error("not waited for, though it is as fast as they are")
	}

	tr = newTrial(t)
	tr.member = member{}
	tr.report(0, 0)
	tr.begin()
	if tr.pass(20_000, 21_200, 60); !tr.review() {
		t.Error("waited for, though its first datagram says only when it came")
	}
}

// TestMomentSaysNothing: two reports right after each other show no pace.
func TestMomentSaysNothing(t *testing.T) {
	tr := newTrial(t)
	tr.begin()
	tr.now = tr.now.Add(time.Millisecond)
	tr.report(1000, 60)
	tr.now, tr.front = tr.now.Add(reviewEach), tr.front+30_000
	if !tr.review() {
		t.Error("judged by what it did in a millisecond")
	}
}

// TestNewcomerIsNotHeldUp: some that are alike wait for each other, as trials showed;
// that says nothing of one that comes later, or comes back, and is far faster.
func TestNewcomerIsNotHeldUp(t *testing.T) {
	s := newScheduler(imagetest.Manifest(t, 1408*50), protocol.DefaultSymbolSize, 0)
	now := time.Unix(1000, 0)
	join := func(id protocol.ReceiverID) *member {
		m, _ := s.admit(now, &protocol.Join{Receiver: id}, netip.MustParseAddrPort("10.0.0.1:9"))
		return m
	}
	alike := join(1)
	join(2)
	for what, come := range map[string]func(){
		"joined": func() { join(3) },
		"came back": func() {
			s.members[1].state = protocol.ReceiverGone
			s.enlist()
			s.report(now, &protocol.Report{Number: 1, Serial: 1, State: protocol.ReceiverReceiving})
		},
	} {
		alike.overrun.trusted, alike.overrun.trust = now.Add(time.Minute), time.Minute
		if come(); alike.overrun.trusted.After(now) || alike.overrun.trust != 0 {
			t.Errorf("one %s, and has to wait until %v", what, alike.overrun.trusted)
		}
	}
}
