package gate

import (
	"errors"
	"net"
	"net/netip"

	"github.com/pin/tftp/v3"
)

// socket is what the library's server reads requests from. It lets through only
// those that are in order, from machines that may ask, and each with a place
// among the newcomers: so for what is refused the library has no socket, no buffer
// and no goroutine.
type socket struct {
	*net.UDPConn
	server *TFTP
	passed netip.Addr // whose request the library's loop has; invalid for none
}

var _ tftp.Hook = (*socket)(nil)

// ReadFrom implements net.PacketConn for the library's loop, which alone calls it.
// It also ends the library's server when the socket is closed: Shutdown waits for the
// transfers with a WaitGroup that the loop adds to, so no other goroutine may call
// it without a race.
func (g *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	g.passed = netip.Addr{}
	for {
		n, from, err := g.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			g.server.library.Shutdown()
			return 0, nil, err
		case err != nil || !Admits(g.server.cfg.Allowed, from.Addr()):
			continue // an error the socket forgets as it tells it
		}
		err = checkRequest(b[:n], g.server.cfg.Check)
		if err == nil {
			err = g.server.enter(from.Addr())
		}
		if err == nil {
			g.passed = from.Addr()
			return n, net.UDPAddrFromAddrPort(from), nil
		}
		if p := refusal(err, n); p != nil {
			g.WriteToUDPAddrPort(p, from)
		}
	}
}

// OnSuccess implements tftp.Hook.
func (g *socket) OnSuccess(tftp.TransferStats) {}

// OnFailure implements tftp.Hook. The failures of transfers have an address, those
// of the loop have none: then there was no socket for what was let through, and
// nobody else gives its place back.
func (g *socket) OnFailure(of tftp.TransferStats, _ error) {
	if of.RemoteAddr == nil && g.passed.IsValid() {
		g.server.newcomers.leave(g.passed)
	}
}
