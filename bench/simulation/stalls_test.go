package simulation

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// joinAs is join with another configuration.
func (r *room) joinAs(cable simnet.Link, change func(p *pc)) *pc {
	p := &pc{disk: &memoryDisk{data: make([]byte, len(r.picture.raw))}, done: make(chan struct{})}
	p.host = r.net.Host(fmt.Sprintf("pc%d", len(r.pcs)+1))
	if cable.Rate == 0 {
		cable.Rate = gigabit
	}
	cable.Queue = 1 << 20
	p.host.SetIn(cable)
	p.config = receiver.Config{Network: p.host, ID: protocol.ReceiverID(len(r.pcs) + 1), Name: p.host.Name(), Memory: 64 << 20}
	change(p)
	r.pcs = append(r.pcs, p)
	r.start(p)
	return p
}

// TestNarrowMTU: a switch passes short datagrams and drops the long ones, as
// with jumbo frames on one side only. FLUSH and ROSTER arrive, DATA never does.
// The receiver says what is wrong; the others are not held up.
func TestNarrowMTU(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 11, 8<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 2
		r.send()
		r.join(simnet.Link{})
		r.join(simnet.Link{Keep: func(k simnet.Packet) bool { return len(k.Data) < 1000 }})
		r.finish()
		if r.pcs[0].err != nil || !r.pcs[0].disk.holds(p.raw) || r.pcs[0].took > 5*time.Second {
			r.Errorf("pc1: %v after %v", r.pcs[0].err, r.pcs[0].took)
		}
		if err := r.pcs[1].err; err == nil || !strings.Contains(err.Error(), "MTU") || r.pcs[1].took > 10*time.Second {
			r.Errorf("pc2: %v after %v", err, r.pcs[1].took)
		}
	})
}

// TestDeafMachineHoldsNobodyUp: one of two reports but hears no multicast.
func TestDeafMachineHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 12, 128<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 2
		r.send()
		r.join(simnet.Link{})
		r.join(simnet.Link{Keep: func(k simnet.Packet) bool {
			return k.To.Addr() == protocol.Discovery.Addr() || !k.To.Addr().IsMulticast()
		}})
		r.finish()
		if r.pcs[0].err != nil || r.pcs[0].status.Seconds > 4 {
			r.Errorf("pc1: %v, %.1f s", r.pcs[0].err, r.pcs[0].status.Seconds)
		}
	})
}

// TestClones: two machines with one ID, as cloned virtual ones have, both
// finish.
func TestClones(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 13, 32<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 2
		r.send()
		for range 2 {
			r.joinAs(simnet.Link{Loss: 0.02}, func(p *pc) { p.config.ID = 7 })
		}
		r.finish()
		r.identical()
	})
}

// TestLateWithLittleMemory: its JOINs are lost for a while, and meanwhile it
// hears more of the image than its memory holds. The manifest still finds room.
func TestLateWithLittleMemory(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 14, 128<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.send()
		r.join(simnet.Link{})
		pass(400 * time.Millisecond)
		late := r.joinAs(simnet.Link{}, func(p *pc) {
			p.config.Memory = 16 << 20
			p.host.SetOut(simnet.Link{Down: true})
		})
		pass(600 * time.Millisecond)
		late.host.SetOut(simnet.Link{})
		r.finish()
		r.identical()
	})
}

// TestOneBadCable: one of four loses a third of everything. It finishes too,
// and what it costs the others is little.
func TestOneBadCable(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 15, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 4
		r.send()
		for range 3 {
			r.join(simnet.Link{})
		}
		r.joinAs(simnet.Link{Loss: 0.33}, func(p *pc) { p.config.Memory = 16 << 20 })
		r.finish()
		r.identical()
		r.Log(r.summary())
		for i, pc := range r.pcs[:3] {
			if pc.status.Seconds > 1.2 { // 0.55 s of wire, and a third of the time it may hold them up
				r.Errorf("pc%d took %.2f s", i+1, pc.status.Seconds)
			}
		}
	})
}

// TestCrashAndRestart: a machine that is switched off and on again, at any
// moment, starts over and finishes.
func TestCrashAndRestart(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 16, 64<<20, true)
	for i := range 6 {
		at := time.Duration(120*i) * time.Millisecond
		t.Run(at.String(), func(t *testing.T) {
			simulate(t, uint64(i), p, simnet.Options{}, func(r *room) {
				r.send()
				r.join(simnet.Link{})
				crash := r.join(simnet.Link{Loss: 0.05})
				pass(200*time.Millisecond + at)
				crash.host.PowerCut()
				crash.cancel()
				<-crash.done
				again := &pc{disk: &memoryDisk{data: make([]byte, len(p.raw))}, done: make(chan struct{}), host: crash.host, config: crash.config}
				r.pcs[1] = again
				r.start(again)
				r.finish()
				r.identical()
			})
		})
	}
}

// slowDisk takes its time for everything.
type slowDisk struct{ *memoryDisk }

func (d slowDisk) Begin() error { pass(time.Second); return d.memoryDisk.Begin() }
func (d slowDisk) Flush() error { pass(time.Second); return d.memoryDisk.Flush() }

func (d slowDisk) ReadAt(p []byte, off int64) (int, error) {
	pass(20 * time.Millisecond)
	return d.memoryDisk.ReadAt(p, off)
}

func (d slowDisk) Zero(ctx context.Context, off, n int64) error {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-ctx.Done():
		return ctx.Err()
	}
	return d.memoryDisk.Zero(ctx, off, n)
}

// TestReceiverCancelled: Ctrl-C at any moment ends a receiver at once, but for
// what its disk has under way, and the sender knows why. A disk that is reported
// as failed does not boot; one that boots is reported as done.
func TestReceiverCancelled(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 17, 12<<20, false)
	if p.raw[0] == 0 {
		t.Fatal("block 0 of this image says nothing")
	}
	seen := map[string]int{}
	defer func() {
		if !raced && (seen["done"] == 0 || seen["failed"] < 10) {
			t.Errorf("how they ended: %v; want some cancelled and some done", seen)
		}
	}()
	for i := range 40 {
		at := time.Duration(100*i) * time.Millisecond
		t.Run(at.String(), func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				r.sender.MaxWait = 5 * time.Second
				r.send()
				one := &pc{disk: &memoryDisk{data: make([]byte, len(p.raw)), rate: 16 << 20}, host: r.net.Host("pc1")}
				one.config = receiver.Config{Network: one.host, ID: 1, Verify: i%2 == 0}
				r.pcs = append(r.pcs, one)
				ctx, cancel := context.WithCancel(context.Background())
				var ended time.Time
				r.running.Go(func() {
					defer func() { ended = time.Now() }()
					listening, stop := context.WithCancel(ctx)
					var heard receiver.Heard
					receiver.Discover(listening, one.host, netip.Addr{}, func(h receiver.Heard) { heard = h; stop() })
					one.status, one.err = receiver.Run(ctx, one.config, heard, slowDisk{one.disk})
				})
				pass(300*time.Millisecond + at)
				cancel()
				cancelled := time.Now()
				r.finish()
				if took := ended.Sub(cancelled); took > 2*time.Second {
					r.Errorf("the receiver ended %v after it was cancelled", took)
				}
				if seen[one.status.State.String()]++; one.err == nil {
					r.identical()
					return
				}
				r.unbootable(one)
				for _, s := range r.status.Receivers {
					if s.State != protocol.ReceiverFailed || s.Error != "cancelled at this machine" {
						r.Errorf("the sender says %v %q", s.State, s.Error)
					}
				}
			})
		})
	}
}

// TestDoneIsDone: Ctrl-C while a finished receiver waits for the sender to
// acknowledge that does not make it a failure.
func TestDoneIsDone(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 18, 4<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.Linger = 5 * time.Second
		r.send()
		noRoster := simnet.Link{Keep: func(k simnet.Packet) bool { return k.Data[11] != byte(protocol.TypeRoster) }}
		r.joinAs(noRoster, func(p *pc) {
			p.config.Status = func(s receiver.Status) {
				if s.State == protocol.ReceiverDone {
					p.cancel()
				}
			}
		})
		r.finish()
		r.identical()
	})
}
