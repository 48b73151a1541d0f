package sender

import (
	"testing"
	"time"

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

// TestNobodyElseIsNoPace: where none of the others was known when it began, there is
// nothing to compare with.
func TestNobodyElseIsNoPace(t *testing.T) {
	tr := newTrial(t)
	tr.front = 0
	tr.begin()
	if tr.pass(100_000, 20_000, 60); tr.review() {
		t.Error("missed most of what nobody is known to have taken")
	}
}
