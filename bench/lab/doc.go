// Package lab builds a network on this machine to try things in: one bridge
// and any number of hosts, each a Linux network namespace with one cable (a
// veth pair) into the bridge.
//
// Nothing of it touches the machine's own network: the bridge lives in a
// namespace of its own, and the addresses are only known inside. Several labs
// run side by side, in one process or in many. A lab goes away on Close, when
// its context ends, and when the process that built it is killed in any way
// whatever, kill -9 included.
//
// A lab needs root and the programs ip, nft, tc and ethtool (Debian packages
// iproute2, nftables and ethtool).
package lab
