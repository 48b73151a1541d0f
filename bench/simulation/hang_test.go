package simulation

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// hungDisk takes some writes; after that none returns until let is closed.
type hungDisk struct {
	*memoryDisk
	takes chan struct{} // as many as it holds
	let   chan struct{}
}

func (d hungDisk) WriteBlock(off int64, p []byte) error {
	select {
	case <-d.takes:
	default:
		<-d.let
	}
	return d.memoryDisk.WriteBlock(off, p)
}

// TestDiskHangs: a disk stops in the middle, its writes never return. The user is
// told so, soon that it takes nothing and in the end that it failed; so is the
// sender, whose session ends. The others finish.
func TestDiskHangs(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 41, 32<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		disk := hungDisk{&memoryDisk{data: make([]byte, len(p.raw))}, make(chan struct{}, 20), make(chan struct{})}
		for range cap(disk.takes) {
			disk.takes <- struct{}{}
		}
		defer close(disk.let)
		told := map[string]bool{}
		r.sender.MinReceivers = 3
		begin := time.Now()
		r.send()
		r.join(simnet.Link{})
		r.join(simnet.Link{})
		hung := r.joinAs(simnet.Link{}, func(p *pc) {
			p.other = disk
			p.config.Status = func(st receiver.Status) { told[st.Waiting] = true }
		})
		r.finish()
		for i, p := range r.pcs[:2] {
			if p.err != nil || p.took > time.Minute || !p.holds(r.picture.raw) {
				r.Errorf("pc%d: %v after %v", i+1, p.err, p.took)
			}
		}
		const cause = "the disk has taken nothing for 2m"
		if hung.err == nil || !strings.Contains(hung.err.Error(), cause) || hung.took > 150*time.Second {
			r.Errorf("the one that hangs: %v after %v", hung.err, hung.took)
		}
		for _, want := range []string{"the disk has taken nothing for 5s", "the disk has taken nothing for 1m0s"} {
			if !told[want] {
				r.Errorf("nobody was told: %s", want)
			}
		}
		if took := time.Since(begin); took > 3*time.Minute {
			r.Errorf("the session took %v", took)
		}
		failed := 0
		for _, m := range r.status.Receivers {
			if m.State == protocol.ReceiverFailed && strings.Contains(m.Error, cause) {
				failed++
			} else if m.State != protocol.ReceiverDone {
				r.Errorf("sender's table: %s is %v (%s)", m.Name, m.State, m.Error)
			}
		}
		if failed != 1 {
			r.Errorf("sender's table says of %d machines that their disk hangs", failed)
		}
	})
}

// sinkDisk takes all, but its flush never returns until it is let go.
type sinkDisk struct {
	*memoryDisk
	let chan struct{}
}

func (d sinkDisk) Flush() error {
	<-d.let
	return d.memoryDisk.Flush()
}

// TestFlushHangs: that has an end, too, and its reason.
func TestFlushHangs(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 41, 4<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		disk := sinkDisk{&memoryDisk{data: make([]byte, len(p.raw))}, make(chan struct{})}
		defer close(disk.let)
		told := map[string]bool{}
		r.send()
		hung := r.joinAs(simnet.Link{}, func(p *pc) {
			p.other = disk
			p.config.Status = func(st receiver.Status) { told[st.Waiting] = true }
		})
		r.finish()
		const cause = "the disk has been flushing for 15m"
		if hung.err == nil || !strings.Contains(hung.err.Error(), cause) || hung.took > 16*time.Minute {
			r.Errorf("the one whose flush hangs: %v after %v", hung.err, hung.took)
		}
		if want := "the disk has been flushing for 1m0s"; !told[want] {
			r.Errorf("nobody was told that %s", want)
		}
		if len(r.status.Receivers) != 1 || r.status.Receivers[0].State != protocol.ReceiverFailed || !strings.Contains(r.status.Receivers[0].Error, cause) {
			r.Errorf("the sender's table: %+v", r.status.Receivers)
		}
	})
}

// zeroingDisk zeroes at a rate of bytes a second.
type zeroingDisk struct {
	*memoryDisk
	rate int64
}

func (d zeroingDisk) Zero(ctx context.Context, off, n int64) error {
	pass(time.Duration(n * int64(time.Second) / d.rate))
	return d.memoryDisk.Zero(ctx, off, n)
}

// TestDiskThatZeroesSlowly: minutes of nothing but zeros are no disk that hangs.
func TestDiskThatZeroesSlowly(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 256<<20)
	random := rand.New(rand.NewPCG(1, 9))
	for i := range 1 << 20 {
		raw[i] = byte(random.Uint32())
	}
	simulate(t, 1, pictureOf(t, raw), simnet.Options{}, func(r *room) {
		r.send()
		slow := r.joinAs(simnet.Link{}, func(p *pc) { p.other = zeroingDisk{p.disk, 1 << 20} })
		r.finish()
		r.identical()
		if slow.took < 3*time.Minute {
			r.Errorf("took %v", slow.took)
		}
	})
}
