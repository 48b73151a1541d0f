package simulation

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// joinSlow switches a machine on whose disk takes its time to flush and to read.
// It returns how many blocks the machine has written.
func (r *room) joinSlow(change func(p *pc)) *atomic.Int64 {
	disk := &memoryDisk{data: make([]byte, len(r.picture.raw))}
	p, written := &pc{disk: disk, host: r.net.Host(fmt.Sprintf("pc%d", len(r.pcs)+1)), done: make(chan struct{})}, new(atomic.Int64)
	p.config = receiver.Config{Network: p.host, ID: protocol.ReceiverID(len(r.pcs) + 1), Name: p.host.Name()}
	r.pcs = append(r.pcs, p)
	change(p)
	p.config.Status = func(st receiver.Status) {
		written.Store(int64(st.Counters.Lanes[0] + st.Counters.Lanes[1]))
	}
	began := time.Now()
	r.running.Go(func() {
		defer close(p.done)
		listening, stop := context.WithCancel(context.Background())
		var heard receiver.Heard
		receiver.Discover(listening, p.host, netip.Addr{}, func(h receiver.Heard) { heard = h; stop() })
		p.status, p.err = receiver.Run(context.Background(), p.config, heard, slowDisk{p.disk})
		p.took, p.ended = time.Since(began), time.Now()
	})
	return written
}

// TestMachinesThatLackNothingJoinAgain: when the sender dies one machine only has
// to flush its disk, and then stays for others; one reads back what it wrote; one
// has a slow disk and lacks most. The next sender waits for three machines, and
// has them at once.
func TestMachinesThatLackNothingJoinAgain(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 74, 32<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		r.sender.MinReceivers, r.sender.Rate = 3, 100_000_000 // 2.7 s
		r.send()
		one := r.joinSlow(func(p *pc) { w.wired(p, honest); p.config.Linger = time.Minute })
		two := r.joinSlow(func(p *pc) { p.config.Verify = true })
		slow := r.joinAs(simnet.Link{}, func(p *pc) {
			p.config.Workers, p.config.Memory, p.disk.rate = 1, 16<<20, 2<<20
		})
		all := int64(p.packed.Manifest().DataBlocks())
		for one.Load() < all || two.Load() < all {
			pass(10 * time.Millisecond)
		}
		r.kill(w)
		pass(time.Second)
		again := time.Now()
		r.send()
		r.finish()
		r.identical()
		r.Log(r.summary())
		if took := slow.ended.Sub(again); took > 20*time.Second {
			r.Errorf("the machine that lacked most was done %v after the sender's second start", took)
		}
	})
}
