package mcast

import (
	"net"
	"net/netip"
)

// conn is the unicast socket: it reads and writes.
type conn struct {
	*reader
	*writer
}

// WriteTo implements Conn.
func (c *conn) WriteTo(d []byte, to netip.AddrPort) error {
	if len(d)+HeaderBytes > c.mtu {
		return tooLarge(len(d), c.mtu)
	}
	if _, err := c.pc.WriteToUDPAddrPort(d, to); err != nil {
		return writeError(err, to)
	}
	return nil
}

// LocalAddr implements Conn.
func (c *conn) LocalAddr() netip.AddrPort {
	a := c.pc.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
