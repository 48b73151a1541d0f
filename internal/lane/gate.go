package lane

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/pin/tftp/v3"
)

// gate is the socket that the library's server reads requests from. It lets through
// only those that are in order, from machines that may ask, and each with a place
// among the newcomers: so for what is refused the library has no socket, no buffer
// and no goroutine.
type gate struct {
	*net.UDPConn
	server *TFTPServer
	passed netip.Addr // whose request the library's loop has; invalid for none
}

var _ tftp.Hook = (*gate)(nil)

// ReadFrom implements net.PacketConn for the library's loop, which alone calls it.
// It also ends the library's server when the socket is closed: Shutdown waits for the
// transfers with a WaitGroup that the loop adds to, so no other goroutine may call
// it without a race.
func (g *gate) ReadFrom(b []byte) (int, net.Addr, error) {
	g.passed = netip.Addr{}
	for {
		n, from, err := g.ReadFromUDPAddrPort(b)
		switch {
		case errors.Is(err, net.ErrClosed):
			g.server.library.Shutdown()
			return 0, nil, err
		case err != nil || !admits(g.server.allowed, from.Addr()):
			continue // an error the socket forgets as it tells it
		}
		err = checkRequest(b[:n])
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
func (g *gate) OnSuccess(tftp.TransferStats) {}

// OnFailure implements tftp.Hook. The failures of transfers have an address, those
// of the loop have none: then there was no socket for what was let through, and
// nobody else gives its place back.
func (g *gate) OnFailure(of tftp.TransferStats, _ error) {
	if of.RemoteAddr == nil && g.passed.IsValid() {
		g.server.newcomers.leave(g.passed)
	}
}

// tftpLongest is the most bytes of a request (RFC 2347).
const tftpLongest = 512

// errUnanswered: nothing is said.
var errUnanswered = errors.New("not answered")

// checkRequest returns why a packet is no request (RFC 1350 §5) for something that
// could be here.
func checkRequest(p []byte) error {
	if len(p) < 2 || len(p) > tftpLongest || p[len(p)-1] != 0 {
		return errUnanswered
	}
	op, fields := binary.BigEndian.Uint16(p), strings.Split(string(p[2:]), "\x00")
	n, named := parseName(fields[0])
	switch {
	case op != 1 && op != 2 || len(fields) < 3:
		return errUnanswered
	case op == 2:
		return errTFTPWrite
	case !named || n.kind != manifestKind && n.kind != blocksKind:
		return errTFTPName
	case !strings.EqualFold(fields[1], "octet"):
		return errTFTPMode
	}
	return nil
}

// refusal returns the answer to a request of so many bytes: not longer than that,
// nil for none.
func refusal(err error, asked int) []byte {
	room := asked - 5
	if err == errUnanswered || room < 0 {
		return nil
	}
	text := err.Error()
	return append(append([]byte{0, 5, 0, 1}, text[:min(len(text), room)]...), 0) // the code that the library has for all
}
