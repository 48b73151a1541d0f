package simulation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
)

// TestSizes sends images of every awkward size.
func TestSizes(t *testing.T) {
	t.Parallel()
	const block = protocol.BlockSize
	for _, size := range []int{1, 511, 512, block - 1, block, block + 1, 3*block + 17} {
		for _, noise := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d noise=%v", size, noise), func(t *testing.T) {
				p := newPicture(t, uint64(size), size, noise)
				simulate(t, 1, p, simnet.Options{}, func(r *room) {
					r.send()
					for range 3 {
						r.join(simnet.Link{Loss: 0.2})
					}
					r.finish()
					r.identical()
				})
			})
		}
	}
}

// TestBadNetwork mixes all that a network can do to datagrams, on many seeds.
func TestBadNetwork(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 7, 6<<20, false)
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			simulate(t, seed, p, simnet.Options{MTU: []int{1500, 9000, 1400, 576}[seed%4]}, func(r *room) {
				r.sender.MinReceivers = 4
				r.send()
				bad := simnet.Link{Loss: 0.05, Duplicate: 0.05, Corrupt: 0.05, Reorder: 0.1, Delay: time.Millisecond,
					Burst: simnet.Burst{Length: 50, Loss: 0.05}}
				for range 4 {
					r.join(bad).host.SetOut(simnet.Link{Loss: 0.2, Duplicate: 0.1, Corrupt: 0.1, Reorder: 0.2})
				}
				r.finish()
				r.identical()
			})
		})
	}
}

// TestLateJoin lets machines come at any time; the last of them after all the
// others have finished, while the sender lingers.
func TestLateJoin(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 3, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.Linger = 2 * time.Second
		r.send()
		r.join(simnet.Link{})
		pass(200 * time.Millisecond)
		r.join(simnet.Link{})
		pass(100 * time.Millisecond)
		r.join(simnet.Link{Loss: 0.01})
		<-r.pcs[0].done
		<-r.pcs[1].done
		<-r.pcs[2].done
		r.join(simnet.Link{})
		r.finish()
		r.identical()
		// One pass for the first, what the second and third had missed of it,
		// and one for the last.
		r.Log(r.summary())
		if r.overhead() > 2.85 {
			r.Errorf("sent %.2f × the packed image", r.overhead())
		}
	})
}

// TestSenderDies: each receiver gives a reason within half a minute, and block 0
// of its disk is not the image's.
func TestSenderDies(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 4, 64<<20, true)
	for i := range 8 {
		at := time.Duration(40*i) * time.Millisecond
		t.Run(at.String(), func(t *testing.T) {
			simulate(t, uint64(i), p, simnet.Options{}, func(r *room) {
				r.send()
				r.join(simnet.Link{})
				r.join(simnet.Link{Loss: 0.02})
				pass(250*time.Millisecond + at)
				died := time.Now()
				r.server.PowerCut()
				for _, pc := range r.pcs {
					<-pc.done
				}
				if took := time.Since(died); took > 30*time.Second {
					r.Errorf("the receivers ended only after %v", took)
				}
				r.cancel()
				r.finish()
				r.abandoned("silent")
			})
		})
	}
}

// TestCancel: Ctrl-C at the sender ends every receiver at once, with its reason.
func TestCancel(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 4, 64<<20, true)
	for i := range 8 {
		at := time.Duration(40*i) * time.Millisecond
		t.Run(at.String(), func(t *testing.T) {
			simulate(t, uint64(i), p, simnet.Options{}, func(r *room) {
				r.send()
				r.join(simnet.Link{})
				r.join(simnet.Link{Loss: 0.02})
				pass(210*time.Millisecond + at)
				r.cancel()
				cancelled := time.Now()
				r.finish()
				if took := time.Since(cancelled); took > 3*time.Second {
					r.Errorf("ended only after %v", took)
				}
				if !errors.Is(r.err, context.Canceled) {
					r.Errorf("sender: %v", r.err)
				}
				r.abandoned("cancelled at the sender")
			})
		})
	}
}

// TestReceiversLeave: one is switched off, one is cancelled, one has a broken
// disk. The others finish, and the sender's table tells who and why.
func TestReceiversLeave(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 5, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 5
		r.send()
		for i := range 5 {
			r.joinAs(simnet.Link{}, func(p *pc) {
				if i == 2 {
					p.disk.broken = errors.New("write block 7: input/output error")
				}
			})
		}
		pass(400 * time.Millisecond)
		r.pcs[0].host.PowerCut()
		r.pcs[1].cancel()
		r.finish()
		want := []struct {
			state protocol.ReceiverState
			why   string
		}{
			{protocol.ReceiverGone, "silent"}, {protocol.ReceiverFailed, "cancelled at this machine"},
			{protocol.ReceiverFailed, "input/output error"}, {protocol.ReceiverDone, ""}, {protocol.ReceiverDone, ""},
		}
		for _, m := range r.status.Receivers {
			w := want[m.ID-1]
			if m.State != w.state || !strings.Contains(m.Error, w.why) {
				r.Errorf("pc%d: %v %q, want %v %q", m.ID, m.State, m.Error, w.state, w.why)
			}
		}
		for _, pc := range r.pcs[:3] {
			r.unbootable(pc)
		}
		for i, pc := range r.pcs[3:] {
			if pc.err != nil || !pc.disk.holds(p.raw) {
				r.Errorf("pc%d: %v", i+4, pc.err)
			} else if pc.took > 4*time.Second {
				r.Errorf("pc%d was held up by the others: %v", i+4, pc.took)
			}
		}
	})
}

// TestNobodyJoins ends the wait with a reason.
func TestNobodyJoins(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 5, 1<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		begin := time.Now()
		r.send()
		r.finish()
		if !errors.Is(r.err, sender.ErrNobody) || time.Since(begin) > r.sender.MaxWait+time.Second {
			r.Errorf("%v after %v", r.err, time.Since(begin))
		}
	})
}

// TestMaxWaitStarts: one machine of five never comes; the others don't wait
// for it longer than they were told.
func TestMaxWaitStarts(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 5, 1<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers, r.sender.MaxWait = 5, 10*time.Second
		r.send()
		for range 4 {
			r.join(simnet.Link{})
		}
		r.finish()
		r.identical()
	})
}

// TestSlowDisk: a disk at a fortieth of the wire sheds blocks, within its
// memory, and does not hold up the others.
func TestSlowDisk(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 6, 128<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 4
		r.send()
		r.joinAs(simnet.Link{}, func(p *pc) {
			p.disk.rate, p.config.Memory = 2<<20, 16<<20
		})
		for range 3 {
			r.join(simnet.Link{})
		}
		r.finish()
		r.identical()
		r.Log(r.summary())
		for i, pc := range r.pcs[1:] {
			if pc.status.Seconds > 1.6 { // 1.1 s of wire
				r.Errorf("pc%d took %.2f s beside a slow one", i+2, pc.status.Seconds)
			}
		}
		if r.overhead() > 2.1 { // once for the others, once for it
			r.Errorf("sent %.2f × the packed image", r.overhead())
		}
		if r.pcs[0].status.Counters.Shed == 0 {
			r.Error("the slow one shed nothing")
		}
	})
}

// TestNoMulticast: announcements arrive but data does not, as behind a switch
// that filters. The receiver names the cause; the others go on.
func TestNoMulticast(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 6, 16<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 2
		r.send()
		r.join(simnet.Link{})
		r.join(simnet.Link{Keep: func(k simnet.Packet) bool {
			return k.To.Addr() == protocol.Discovery.Addr() || !k.To.Addr().IsMulticast()
		}})
		r.finish()
		if r.pcs[0].err != nil || !r.pcs[0].disk.holds(p.raw) {
			r.Errorf("pc1: %v", r.pcs[0].err)
		}
		if err := r.pcs[1].err; err == nil || !strings.Contains(err.Error(), "snooping") || r.pcs[1].took > 10*time.Second {
			r.Errorf("pc2: %v after %v", err, r.pcs[1].took)
		}
	})
}

// TestNarrowSwitch: the wire behind the switch is ten times slower than the
// sender's. The sender finds its rate.
func TestNarrowSwitch(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 8, 128<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 3
		r.send()
		for range 3 {
			r.join(simnet.Link{Rate: gigabit / 10})
		}
		r.finish()
		r.identical()
		r.Log(r.summary())
		wire := float64(p.packed.Manifest().PackedSize()) * 8 / (gigabit / 10)
		for i, pc := range r.pcs {
			if pc.status.Seconds > 1.2*wire {
				r.Errorf("pc%d took %.1f s, the wire alone %.1f s", i+1, pc.status.Seconds, wire)
			}
		}
		if r.overhead() > 1.4 { // the first window is lost to the narrow port
			r.Errorf("sent %.2f × the packed image", r.overhead())
		}
	})
}

// abandoned checks that every machine ended for that reason, unbootable.
func (r *room) abandoned(why string) {
	r.Helper()
	for i, pc := range r.pcs {
		if pc.err == nil || !strings.Contains(pc.err.Error(), why) {
			r.Errorf("pc%d: %v, want %q", i+1, pc.err, why)
		}
		r.unbootable(pc)
	}
}

// unbootable checks that a disk that was not finished has no boot sector.
func (r *room) unbootable(p *pc) {
	r.Helper()
	p.disk.mu.Lock()
	defer p.disk.mu.Unlock()
	for _, b := range p.disk.data[:min(len(p.disk.data), protocol.BlockSize)] {
		if b != 0 {
			r.Errorf("%s: block 0 of an unfinished disk is written", p.host.Name())
			return
		}
	}
}
