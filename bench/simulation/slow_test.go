package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// beside runs a room of n machines, and last beside them if it is not nil. It
// returns when the last of the n was done, and the room.
func beside(t *testing.T, p *picture, n int, last func(r *room)) (others time.Duration, played *room) {
	t.Helper()
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		const cable = 50 * time.Microsecond
		r.server.SetOut(simnet.Link{Rate: slowWire, Delay: cable})
		r.sender.MinReceivers, r.sender.Linger = n, 0
		for range n {
			r.add(simnet.Link{Delay: cable}, nil)
		}
		if last != nil {
			r.sender.MinReceivers++
			last(r)
		}
		pass(time.Second)
		begin := time.Now()
		r.send()
		r.finish()
		r.identical()
		for _, p := range r.pcs[:n] {
			others = max(others, p.ended.Sub(begin))
		}
		played = r
	})
	return others, played
}

// TestSlowDiskHoldsNobodyUp: one machine writes at a tenth of the others' speed.
// They take as long as without it, and it takes no longer than its disk does.
// The room may be as small as two.
func TestSlowDiskHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	const rate = slowWire / 8 / 10
	p := newPicture(t, 33, 96<<20, true)
	for _, n := range []int{7, 2, 1} {
		t.Run(fmt.Sprintf("%d beside it", n), func(t *testing.T) {
			without, _ := beside(t, p, n, nil)
			with, r := beside(t, p, n, func(r *room) {
				r.add(simnet.Link{}, func(p *pc) { p.thin.rate, p.config.Memory = rate, 16<<20 })
			})
			slow := r.pcs[n]
			alone := time.Duration(len(p.raw)) * time.Second / rate
			t.Logf("the others %v, without it %v (%+.1f %%); it took %.1f s, its disk %.1f s (× %.3f); sent %.2f × packed", with, without,
				100*(with.Seconds()/without.Seconds()-1), slow.status.Seconds, alone.Seconds(), slow.status.Seconds/alone.Seconds(), r.overhead())
			if with > without*105/100 {
				t.Errorf("the others took %v, %v without it", with, without)
			}
			if slow.status.Seconds > 1.3*alone.Seconds() {
				t.Errorf("it took %.1f s, its disk %v", slow.status.Seconds, alone)
			}
			if slow.status.Counters.Shed == 0 {
				t.Error("it shed nothing")
			}
			if r.overhead() > 2.1 {
				t.Errorf("sent %.2f × packed", r.overhead())
			}
		})
	}
}

// TestTwoSlowDisks: of two slow disks the faster takes no longer than it does by itself,
// also when only the two are left.
func TestTwoSlowDisks(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 37, 96<<20, true)
	const slow, slowest = slowWire / 8 / 4, slowWire / 8 / 40
	_, r := beside(t, p, 4, func(r *room) {
		r.sender.MinReceivers++
		for _, rate := range []int64{slow, slowest} {
			r.add(simnet.Link{}, func(p *pc) { p.thin.rate, p.config.Memory = rate, 16<<20 })
		}
	})
	for i, rate := range []float64{slow, slowest} {
		took, alone := r.pcs[4+i].status.Seconds, float64(len(p.raw))/rate
		t.Logf("took %.1f s, its disk %.1f s", took, alone)
		if took > 1.1*alone {
			t.Errorf("took %.1f s, its disk %.1f s", took, alone)
		}
	}
	t.Logf("sent %.2f × packed", r.overhead())
}

// TestLateBesideSlow: who joins when only a very slow disk is left does not wait for
// it, though that has refused the same blocks before.
func TestLateBesideSlow(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 38, 96<<20, true)
	var late *pc
	_, r := beside(t, p, 1, func(r *room) {
		r.add(simnet.Link{}, func(p *pc) { p.thin.rate, p.config.Memory = slowWire/8/40, 16<<20 })
		time.AfterFunc(7*time.Second, func() { late = r.add(simnet.Link{}, nil) })
	})
	if late == nil {
		t.Fatal("all was over when it came")
	}
	t.Logf("the late one took %.1f s; sent %.2f × packed", late.status.Seconds, r.overhead())
	if wire := float64(len(p.raw)) / (slowWire / 8); late.status.Seconds > 1.5*wire {
		t.Errorf("the late one took %.1f s, the wire %.1f s", late.status.Seconds, wire)
	}
}

// TestAlikeWaitForEachOther: machines that write at nearly the same speed, slower
// than the wire, are not left behind: nothing is sent twice.
func TestAlikeWaitForEachOther(t *testing.T) {
	t.Parallel()
	const rate = slowWire / 8 / 2
	p := newPicture(t, 34, 96<<20, true)
	for _, n := range []int{2, 3, 8} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			_, r := beside(t, p, 0, func(r *room) {
				for i := range n {
					r.add(simnet.Link{}, func(p *pc) { p.thin.rate = rate * int64(100-i%3) / 100 })
				}
				r.sender.MinReceivers = n
			})
			t.Logf("sent %.3f × packed", r.overhead())
			if r.overhead() > 1.03 {
				t.Errorf("sent %.3f × packed", r.overhead())
			}
		})
	}
}

// TestBadCableHoldsNobodyUp: one machine loses three datagrams of ten.
func TestBadCableHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 35, 96<<20, true)
	for _, n := range []int{7, 2, 1} {
		t.Run(fmt.Sprintf("%d beside it", n), func(t *testing.T) {
			without, _ := beside(t, p, n, nil)
			with, r := beside(t, p, n, func(r *room) { r.add(simnet.Link{Loss: 0.3}, nil) })
			t.Logf("the others %v, without it %v (%+.1f %%); it took %.1f s; sent %.2f × packed", with, without,
				100*(with.Seconds()/without.Seconds()-1), r.pcs[n].status.Seconds, r.overhead())
			if with > without*105/100 {
				t.Errorf("the others took %v, %v without it", with, without)
			}
			if r.overhead() > 2.6 {
				t.Errorf("sent %.2f × packed", r.overhead())
			}
		})
	}
}
