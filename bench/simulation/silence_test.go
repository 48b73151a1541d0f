package simulation

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// TestSlowDiskKnowsThatTheSenderDied: a machine whose disk takes a minute for what
// it holds in memory gives up as soon as the others, and takes the next sender as
// soon.
func TestSlowDiskKnowsThatTheSenderDied(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 75, 64<<20, true)
	for _, again := range []bool{false, true} {
		simulate(t, 1, p, simnet.Options{}, func(r *room) {
			w := newWires()
			r.sender.MinReceivers, r.sender.Rate = 3, 100_000_000
			r.send()
			for i := range 3 {
				r.joinAs(simnet.Link{}, func(p *pc) {
					if w.wired(p, honest); i == 0 {
						p.disk.rate = 1 << 20
					}
				})
			}
			pass(4500 * time.Millisecond)
			r.kill(w)
			killed := time.Now()
			if again {
				pass(4 * time.Second)
				r.send()
			}
			r.finish()
			for i, p := range r.pcs {
				after := p.ended.Sub(killed)
				t.Logf("pc%d: %v after: %v", i+1, after, p.err)
				switch {
				case !again && (p.err == nil || after > 30*time.Second):
					r.Errorf("pc%d: %v after the sender died: %v", i+1, after, p.err)
				case again && i > 0 && after > 20*time.Second:
					r.Errorf("pc%d was done %v after the sender died, which started again after 4 s", i+1, after)
				}
			}
			if again {
				r.identical()
			}
		})
	}
}

// TestJoinerOutlastsAPause: a machine that is switched on while the sender stands
// still, as a suspended virtual machine or behind a switch that restarts, joins
// when it goes on.
func TestJoinerOutlastsAPause(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 76, 16<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		w.senderServes(r, true, true)
		r.sender.Rate, r.sender.Linger = 20_000_000, time.Minute
		r.send()
		r.joinAs(simnet.Link{}, func(p *pc) { w.wired(p, honest) })
		pass(2 * time.Second)
		in, out := r.server.In(), r.server.Out()
		nothing := func(simnet.Packet) bool { return false }
		r.server.SetIn(simnet.Link{Keep: nothing})
		r.joinAs(simnet.Link{}, func(p *pc) { w.wired(p, honest) })
		pass(300 * time.Millisecond) // it heard of the session, and asks for a place
		r.server.SetOut(simnet.Link{Rate: gigabit, Keep: nothing})
		pass(9 * time.Second)
		r.server.SetOut(out)
		pass(50 * time.Millisecond)
		r.server.SetIn(in)
		r.finish()
		r.identical()
		r.Log(r.summary())
	})
}
