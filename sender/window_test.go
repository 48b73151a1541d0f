package sender

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// crowd is a room of members for tests of the window: each takes what is sent
// at its own pace, and reports every interval.
type crowd struct {
	*testing.T
	w        window
	now      time.Time
	members  []*member
	pace     []float64 // datagrams a second that each can take
	taken    []float64
	interval time.Duration
	sent     protocol.Seq
}

const testPacket = 1448

func newCrowd(t *testing.T, interval time.Duration, paces ...float64) *crowd {
	c := &crowd{T: t, now: time.Unix(1000, 0), pace: paces, taken: make([]float64, len(paces)), interval: interval}
	for i := range paces {
		m := &member{number: protocol.Number(i), state: protocol.ReceiverReceiving, heard: c.now, asOfAt: c.now}
		m.report.Buffer, m.report.Room = 16<<10, 1<<20
		c.members = append(c.members, m)
	}
	return c
}

// run lets the sender send all that the window allows, up to line datagrams a
// second, and returns how many a second that was.
func (c *crowd) run(d time.Duration, line float64) float64 {
	const step = time.Millisecond
	before, serial := c.sent, uint32(0)
	for at := time.Duration(0); at < d; at += step {
		c.now = c.now.Add(step)
		for i, m := range c.members {
			c.taken[i] = min(float64(c.sent), c.taken[i]+c.pace[i]*step.Seconds())
			if c.pace[i] >= 0 && at%c.interval == 0 {
				serial++
				r := m.report
				r.Serial, r.State, r.AsOf = serial, m.state, protocol.Seq(c.taken[i])
				m.update(c.now, &r, c.sent)
			}
		}
		for budget := line * step.Seconds(); budget > 0; budget-- {
			if l := c.w.limit(c.now, c.members, c.interval, testPacket, c.sent+1); !l.allows(c.sent + 1) {
				break
			}
			c.sent++
		}
	}
	return float64(c.sent-before) / d.Seconds()
}

func (c *crowd) between(what string, got, low, high float64) {
	c.Helper()
	if got < low || got > high {
		c.Errorf("%s: sent %.0f datagrams a second, want %.0f to %.0f", what, got, low, high)
	}
}

const (
	line   = 80_000.0
	silent = -1.0 // reports nothing any more
)

func TestWindowWaitsForAllThatAreAlike(t *testing.T) {
	c := newCrowd(t, minInterval, 20_000, 21_000, 20_500, 22_000)
	c.between("four alike", c.run(10*time.Second, line), 19_000, 23_000)
	c = newCrowd(t, minInterval, 20_000)
	c.run(time.Second, line) // in which its buffer fills
	c.between("one alone", c.run(5*time.Second, line), 19_000, 21_000)
}

func TestWindowDoesNotWaitForOneThatHoldsUpTheRoom(t *testing.T) {
	c := newCrowd(t, minInterval, 1_000, line, line, line)
	c.run(2*time.Second, line) // in which it is found out
	c.between("one slow of four", c.run(10*time.Second, line), 0.97*line, line)
}

func TestWindowDoesNotWaitForTheAbsent(t *testing.T) {
	c := newCrowd(t, minInterval, silent, 20_000)
	c.run(2*time.Second, line)
	c.between("one silent", c.run(3*time.Second, line), 19_000, 21_000)

	c = newCrowd(t, minInterval, 0, 20_000) // reports, but hears nothing of the group
	c.run(2*time.Second, line)
	c.between("one deaf", c.run(3*time.Second, line), 19_000, 21_000)
}

func TestWindowSendsNothingToNobody(t *testing.T) {
	c := newCrowd(t, minInterval, silent, silent)
	c.run(2*time.Second, line)
	c.between("all silent", c.run(3*time.Second, line), 0, 0)
	c = newCrowd(t, minInterval, 0)
	c.run(2*time.Second, line)
	c.between("all deaf", c.run(3*time.Second, line), 0, 0)
}

// After a rest nobody has heard anything for long, because nothing was sent.
func TestWindowTakesRestForNoDeafness(t *testing.T) {
	c := newCrowd(t, minInterval, line)
	c.run(time.Second, line)
	c.run(5*time.Second, 0)
	if c.members[0].absent(c.now, c.interval, c.sent+1) {
		t.Error("taken for absent after a rest")
	}
}

// A thousand receivers report once a second each; what they took meanwhile is
// extrapolated, or their buffers would be empty most of the time.
func TestWindowExtrapolatesLongIntervals(t *testing.T) {
	c := newCrowd(t, time.Second, 20_000)
	c.members[0].report.Buffer = 32 << 10 // half of it is 11586 datagrams
	c.run(3*time.Second, 15_000)
	c.between("long interval", c.run(10*time.Second, 20_000), 17_000, 20_000)
}

// Who claims to have taken what he can't have does not get more than was sent, nor
// does a report that is late make room in its memory.
func TestWindowExtrapolatesNoFurtherThanWasSent(t *testing.T) {
	m := &member{asOf: 10, pace: 1e30}
	now := time.Unix(1000, 0)
	m.asOfAt = now.Add(-time.Second)
	if l := m.limit(now, time.Second, false, testPacket, 1000); l.all != 1000+minWindow || l.begin != 10 {
		t.Errorf("limit %+v of a member with an absurd pace", l)
	}
	if l := m.limit(now, time.Second, true, testPacket, 1000); l.begin != 1000 {
		t.Errorf("limit %+v in a crowd, where nobody can wait for reports", l)
	}
}

// shedding lets member i shed all that exceeds its pace, as a slow disk does: it
// hears everything, and its report says what became of it.
func (c *crowd) shedding(i int, share float64) {
	m := c.members[i]
	blocks := uint32(c.sent / 187)
	m.report.Counters.Shed = uint32(share * float64(blocks))
	m.report.Counters.Lanes[0] = blocks - m.report.Counters.Shed
}

// TestOfTwoTheSlowOneIsNotWaitedFor: a slow disk beside a fast one is overrun,
// and stays so for as long as it misses much of what is sent.
func TestOfTwoTheSlowOneIsNotWaitedFor(t *testing.T) {
	c := newCrowd(t, minInterval, 1_000, line)
	c.run(time.Second, line) // in which it is found out
	for range 30 {
		c.shedding(0, 0.9)
		c.between("one slow of two", c.run(time.Second, line), 0.99*line, line)
	}
}

// TestWhoMissesLittleIsWaitedFor: of two that are nearly alike the slower one is
// overrun for a trial, which shows that the other gains nothing by it.
func TestWhoMissesLittleIsWaitedFor(t *testing.T) {
	c := newCrowd(t, minInterval, 20_000, 21_000)
	overrun := 0
	for range 200 {
		c.run(100*time.Millisecond, line)
		c.shedding(0, 0.05)
		if c.members[0].overrun.is() {
			overrun++
		}
	}
	if overrun == 0 || overrun > 15 { // of 200: a second and a bit
		t.Errorf("overrun for %d of 200 times", overrun)
	}
}

// leave lets all but the first n finish.
func (c *crowd) leave(n int) {
	c.members, c.pace, c.taken = c.members[:n], c.pace[:n], c.taken[:n]
	for i := range c.taken {
		c.taken[i] = float64(c.sent)
	}
}

// TestOverrunIsNoBodyOfTheRoom: who was not waited for while more were there is
// when they are done, but for the slowest.
func TestOverrunIsNoBodyOfTheRoom(t *testing.T) {
	c := newCrowd(t, minInterval, 1_000, 10_000, line, line, line, line)
	c.between("six, two of them slow", c.run(5*time.Second, line), 40_000, line)
	c.leave(4)
	c.between("two fast ones are done", c.run(5*time.Second, line), 70_000, line)
	c.leave(2)
	c.run(3*time.Second, line)
	c.between("the two slow ones alone", c.run(10*time.Second, line), 9_500, 11_000)

	c = newCrowd(t, minInterval, 1_000, 1_000, line, line, line, line)
	c.run(5*time.Second, line)
	c.leave(3)
	c.pace[1] = line
	c.run(3*time.Second, line)
	c.between("three, one slow and one that was", c.run(10*time.Second, line), 70_000, line)
}

// TestOverrunEndsWhenItKeepsUp: a disk that was slow for a while.
func TestOverrunEndsWhenItKeepsUp(t *testing.T) {
	c := newCrowd(t, minInterval, 1_000, line, line, line)
	c.run(time.Second, line)
	c.shedding(0, 0.9)
	if c.run(2*time.Second, line); !c.members[0].overrun.is() {
		t.Fatal("a slow one is waited for")
	}
	c.pace[0] = 10 * line // it takes what it has put off, too
	c.shedding(0, 0.9)
	if c.run(5*time.Second, line); c.members[0].overrun.is() {
		t.Error("it keeps up and still is not waited for")
	}
}

// TestNobodyWaitsForRoomThatRepairsWouldMake: one that loses far more than the
// others has its memory full of blocks whose repairs wait.
func TestNobodyWaitsForRoomThatRepairsWouldMake(t *testing.T) {
	c := newCrowd(t, minInterval, line, line, line)
	c.members[0].report.Room, c.members[0].apart = 0, true
	c.between("one lossy of three", c.run(time.Second, line), 0.99*line, line)
}
