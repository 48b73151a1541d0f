package querier

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"time"
)

const (
	typeQuery = 0x11

	shortQuery = 8  // bytes of a query of IGMPv1 and v2 (RFC 2236 §2)
	longQuery  = 12 // of IGMPv3 before its sources (RFC 3376 §4.1)

	responseUnit = time.Second / 10 // of Max Resp Code
	intervalUnit = time.Second      // of Querier's Query Interval Code

	maxRobustness = 7     // three bits
	maxCode       = 31744 // what a code's eight bits reach (RFC 3376 §4.1.1)

	// maxMessage is more than any query that comes in one Ethernet frame; a
	// longer one is read in part, and its checksum then says so.
	maxMessage = 2048
)

// Query is an IGMP membership query, of which we need no more than this.
type Query struct {
	Version    int           // 1 to 3
	Group      netip.Addr    // asked about; 0.0.0.0 for all groups, a general query
	Response   time.Duration // hosts answer within this time, in tenths of a second; 0 in version 1
	Robustness int           // version 3: 0 to 7, 0 not told
	Interval   time.Duration // version 3: between general queries, in seconds; 0 not told
}

// errNotQuery says that a message is IGMP of another type.
var errNotQuery = errors.New("not a query")

// ParseQuery reads an IGMP message without its IP header (RFC 3376 §4.1). Its
// length tells the version (§7.1), and lengths that have no meaning, wrong
// checksums and other messages are errors. Data after the sources is ignored.
func ParseQuery(b []byte) (Query, error) {
	switch {
	case len(b) < shortQuery:
		return Query{}, fmt.Errorf("IGMP message of %d bytes: want %d or more", len(b), shortQuery)
	case b[0] != typeQuery:
		return Query{}, errNotQuery
	case len(b) > shortQuery && len(b) < longQuery:
		return Query{}, fmt.Errorf("query of %d bytes: of no version of IGMP", len(b))
	case checksum(b) != 0:
		return Query{}, errors.New("query with a wrong checksum")
	}
	q := Query{Version: 2, Group: netip.AddrFrom4([4]byte(b[4:8])), Response: time.Duration(b[1]) * responseUnit}
	if !q.Group.IsUnspecified() && !q.Group.IsMulticast() {
		return Query{}, fmt.Errorf("query about %v: not a multicast group", q.Group)
	}
	if len(b) == shortQuery {
		if b[1] == 0 {
			q.Version = 1
		}
		return q, nil
	}
	q.Version = 3
	q.Response = time.Duration(decode(b[1])) * responseUnit
	q.Robustness = int(b[8] & maxRobustness)
	q.Interval = time.Duration(decode(b[9])) * intervalUnit
	if sources, have := int(binary.BigEndian.Uint16(b[10:])), (len(b)-longQuery)/4; sources > have {
		return Query{}, fmt.Errorf("query about %d sources names %d", sources, have)
	}
	return q, nil
}

// appendGeneral appends a general IGMPv3 query that tells t.
func appendGeneral(b []byte, t Timing) []byte {
	at := len(b)
	b = append(b, typeQuery, encode(int(t.Response/responseUnit)), 0, 0, 0, 0, 0, 0,
		byte(t.Robustness), encode(int(t.Interval/intervalUnit)), 0, 0)
	binary.BigEndian.PutUint16(b[at+2:], checksum(b[at:]))
	return b
}

// decode returns what a code of RFC 3376 §4.1.1 and §4.1.7 stands for: below 128
// itself, else a floating-point number of three bits of exponent and four of
// mantissa.
func decode(code byte) int {
	if code < 128 {
		return int(code)
	}
	return int(code&0x0f|0x10) << (code>>4&7 + 3)
}

// encode returns the code of the largest number that is not above v and has one.
func encode(v int) byte {
	v = max(0, min(v, maxCode))
	if v < 128 {
		return byte(v)
	}
	shift := bits.Len(uint(v)) - 5 // leaves the mantissa with its leading 1
	return 0x80 | byte(shift-3)<<4 | byte(v>>shift&0x0f)
}

// checksum returns the Internet checksum of b (RFC 1071): 0 over a message that
// holds its own.
func checksum(b []byte) uint16 {
	sum := uint32(0)
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
