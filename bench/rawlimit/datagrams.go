package main

import "encoding/binary"

// A datagram starts with its kind and a number, big-endian. That is all that
// anyone looks at.
const (
	kindHello = 1 // multicast: how many bytes of data are to come; asks for a count
	kindData  = 2 // multicast: the number is not used
	kindCount = 3 // unicast: bytes of data that arrived
	kindEnd   = 4 // multicast: every receiver has everything

	headBytes = 9
)

// putHead writes a datagram's beginning into b.
func putHead(b []byte, kind byte, n int64) {
	b[0] = kind
	binary.BigEndian.PutUint64(b[1:headBytes], uint64(n))
}

// head reads it; kind is 0 if d is no datagram of ours.
func head(d []byte) (kind byte, n int64) {
	if len(d) < headBytes {
		return 0, 0
	}
	return d[0], int64(binary.BigEndian.Uint64(d[1:headBytes]))
}
