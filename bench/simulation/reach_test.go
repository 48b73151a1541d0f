package simulation

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// unicastOnly is a cable that no multicast comes through.
func unicastOnly() simnet.Link {
	return simnet.Link{Keep: func(k simnet.Packet) bool { return !k.To.Addr().IsMulticast() }}
}

// TestMachineWithoutMulticastIsInTheRoom: it finds the session at the server
// that it was told of, has a place among the others within two seconds, learns
// who they are, and stays in touch. The others do not notice.
func TestMachineWithoutMulticastIsInTheRoom(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 41, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 3
		var joined atomic.Int64 // ns
		began := time.Now()
		r.send()
		r.join(simnet.Link{})
		r.joinAs(simnet.Link{}, func(p *pc) { p.disk.rate = 10 << 20 })
		alone := r.joinAs(unicastOnly(), func(p *pc) {
			p.config.Server = r.server.Addr()
			p.config.Status = func(st receiver.Status) {
				if st.Room.Machines > 0 {
					joined.CompareAndSwap(0, int64(time.Since(began)))
				}
			}
		})
		pass(5 * time.Second)
		if d := time.Duration(joined.Load()); d == 0 || d > 4*time.Second {
			r.Errorf("the machine without multicast knows its room after %v", d)
		}
		sent, got := alone.host.Counters().Sent, alone.host.Counters().Received
		if n := sent[protocol.TypeSolicit].Datagrams; n == 0 || n > 5*4*protocol.SolicitPorts {
			r.Errorf("asked %d times in 5 s", n/protocol.SolicitPorts)
		}
		if got[protocol.TypeData].Datagrams != 0 {
			r.Error("the cable lets multicast through")
		}
		if n := got[protocol.TypeAnnounce].Datagrams; n < 10 {
			r.Errorf("heard %d announcements in 5 s", n)
		}
		<-r.pcs[0].done
		if p := r.pcs[0]; p.status.Seconds > 2 {
			r.Errorf("pc1 took %.1f s", p.status.Seconds)
		}
		r.cancel()
		r.finish()
		if err := alone.err; err == nil || !strings.Contains(err.Error(), "cancelled at the sender") {
			r.Errorf("the machine without multicast is not told of the end: %v", err)
		}
		if n := len(r.status.Receivers); n != 3 {
			r.Errorf("%d machines in the sender's table, want 3", n)
		}
	})
}

// TestMulticastMachinesAskNobody: a server's address that they are told costs
// nothing where multicast works.
func TestMulticastMachinesAskNobody(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 42, 16<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.sender.MinReceivers = 2
		r.send()
		for range 2 {
			r.joinAs(simnet.Link{}, func(p *pc) { p.config.Server = r.server.Addr() })
		}
		r.finish()
		r.identical()
		for i, p := range r.pcs {
			if n := p.host.Counters().Sent[protocol.TypeSolicit].Datagrams; n > 0 {
				r.Errorf("pc%d sent %d SOLICITs", i+1, n)
			}
		}
	})
}
