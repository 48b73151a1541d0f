// Package gate stands before the servers of this program: it knows who may ask and
// how many may do so at a time, over TCP ([Listener]) and over TFTP ([TFTP]). What is
// refused costs nothing beyond being read.
package gate

import "net/netip"

// Admits reports whether a machine may ask a server that is for allowed, and for
// its own machine by loopback.
func Admits(allowed netip.Prefix, who netip.Addr) bool {
	return who.IsLoopback() || allowed.Contains(who)
}
