package receiver

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// solicitAfter is how long the server's announcements may fail to come before
	// it is asked for them: five.
	solicitAfter = 500 * time.Millisecond

	// solicitEach is the least time between two times of asking, while the server
	// answers; one from which nothing was heard for solicitPatience is asked only
	// every solicitSeldom, for days perhaps, by a whole room that waits for it.
	// Half as long again is drawn by lot, so that no machine is always the one
	// that finds the sender busy.
	solicitEach     = 250 * time.Millisecond
	solicitPatience = 3 * time.Second
	solicitSeldom   = time.Second
)

// asker decides when a machine asks its server for announcements.
type asker struct {
	group time.Time // when the server's latest announcement came by multicast; at first when we began
	sign  time.Time // when the latest came in any way; at first when we began
	next  time.Time // not before
}

// heard notes an announcement of the server.
func (a *asker) heard(now time.Time, unicast bool) {
	a.sign = now
	if !unicast {
		a.group = now
	}
}

// due returns when to ask, as far as is known now.
func (a *asker) due() time.Time {
	if due := a.group.Add(solicitAfter); due.After(a.next) {
		return due
	}
	return a.next
}

// asked notes that the server was asked; lot is between 0 and 1.
func (a *asker) asked(now time.Time, lot float64) {
	each := solicitEach
	if now.Sub(a.sign) > solicitPatience {
		each = solicitSeldom
	}
	a.next = now.Add(each + time.Duration(lot*float64(each/2)))
}

// ask solicits the server's announcements when they do not come by themselves,
// and takes the answers, until ctx ends.
func (h *hearing) ask(ctx context.Context, c mcast.Conn) {
	question, err := (&protocol.Solicit{}).AppendBinary(nil)
	if err != nil {
		panic(err) // it has no fields
	}
	b := mcast.NewBatch(4)
	for ctx.Err() == nil {
		if now, due := time.Now(), h.due(); now.Before(due) {
			if h.read(ctx, c, b, due, true) != nil {
				return // the network is gone, which whoever listens to it tells
			}
			continue
		}
		for i := range protocol.SolicitPorts {
			// No way there yet: the next time, perhaps.
			c.WriteTo(question, netip.AddrPortFrom(h.server, protocol.SolicitPort(i)))
		}
		h.mu.Lock()
		h.asker.asked(time.Now(), rand.Float64())
		h.mu.Unlock()
	}
}

func (h *hearing) due() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asker.due()
}
