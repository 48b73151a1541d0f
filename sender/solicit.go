package sender

import (
	"bytes"
	"errors"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// openReport opens the socket of the report address where a SOLICIT finds it;
// elsewhere if as many senders as that are on this address already.
func openReport(n mcast.Network) (mcast.Conn, error) {
	for i := range protocol.SolicitPorts {
		c, err := n.Open(protocol.SolicitPort(i))
		if !errors.Is(err, syscall.EADDRINUSE) {
			return c, err
		}
	}
	return n.Open(0)
}

const (
	// answerEach bounds what SOLICITs cost to 2 Mbit/s. In a room of 150 machines
	// without multicast each is answered every time; in one of 600, each about
	// once a second.
	answerEach = 2 * time.Millisecond

	// answersAtOnce may go in a row: machines are switched on together.
	answersAtOnce = 64

	// seldom is how often an address is answered for certain; oftener only while
	// half of the answers in a row are left. So in a room of hundreds none is
	// always the one that finds us busy.
	seldom = time.Second
)

// answers is what a SOLICIT is answered with, and how often.
type answers struct {
	latest atomic.Pointer[[]byte] // ANNOUNCE; nil before the first
	given  allowance
	to     *shares
}

// announced keeps the announcement that has just gone to all.
func (a *answers) announced(d []byte) {
	d = bytes.Clone(d)
	a.latest.Store(&d)
}

// answer returns what a SOLICIT that came now from there is answered with, nil for
// nothing.
func (a *answers) answer(now time.Time, from netip.Addr) []byte {
	d := a.latest.Load()
	if d == nil || !a.given.spares(now, answerEach, 1) {
		return nil
	}
	if first := a.to.take(from, now, seldom, 1); !first && !a.given.spares(now, answerEach, answersAtOnce/2) {
		return nil
	}
	a.given.take(now, answerEach, answersAtOnce)
	return *d
}

// solicited answers a machine that no announcement reaches. Nothing is kept of
// it but when it, or one of a few, was last answered; and the answer is not longer
// than the question.
func (c *control) solicited(d []byte, from netip.AddrPort) {
	if _, err := protocol.ParseSolicit(d); err != nil {
		return
	}
	if a := c.answers.answer(time.Now(), from.Addr()); a != nil {
		c.conn.WriteTo(a, from) // lost or refused: it asks again
	}
}
