// Package protocol defines every datagram that pxecast puts on the wire.
//
// SPEC.md beside this file is normative; each type here has an AppendBinary
// and a parser for exactly one byte table of it. The package opens no socket,
// keeps no state and allocates nothing for a DATA datagram.
package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// Version is the wire version. A datagram of another version is refused
// whole: a room runs one version, the one its server hands out.
const Version = 1

const magic = 0x5058 // "PX"

// HeaderSize is the length in bytes of what all datagrams begin with:
// checksum, magic, version, type and session.
const HeaderSize = 20

// Type says what a datagram is. It stands at byte 11 of every datagram.
type Type uint8

// The datagram types. ANNOUNCE, DATA, ROSTER and FLUSH are multicast by the
// sender; JOIN, REPORT and SOLICIT are unicast to it; WELCOME answers a JOIN,
// ANNOUNCE a SOLICIT.
const (
	TypeAnnounce Type = 1
	TypeData     Type = 2
	TypeJoin     Type = 3
	TypeWelcome  Type = 4
	TypeReport   Type = 5
	TypeRoster   Type = 6
	TypeFlush    Type = 7
	TypeSolicit  Type = 8
)

// String names the type as SPEC.md does.
func (t Type) String() string {
	names := [...]string{"", "ANNOUNCE", "DATA", "JOIN", "WELCOME", "REPORT", "ROSTER", "FLUSH", "SOLICIT"}
	if int(t) < len(names) && t != 0 {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// SBN is a source block number (RFC 5052): the number of a 256 KiB
// block of the raw image, or of the manifest for object 0.
type SBN uint32

// ESI is an encoding symbol ID (RFC 5052): 0..k-1 are source symbols,
// k..k+63 repair symbols.
type ESI uint16

// Seq numbers the DATA and FLUSH datagrams of a session, from 1, in the order
// they were sent. 64 bits never wrap.
type Seq uint64

// SessionID names one run of one sender with one image; it is random.
type SessionID uint64

// Object is a transport object: 0 describes 1, as in FLUTE (RFC 6726 §3).
type Object uint8

// The two objects of a session.
const (
	ObjectManifest Object = 0
	ObjectImage    Object = 1
)

// Errors of the parsers. They are fixed values, so that refusing a datagram
// costs no allocation either.
var (
	ErrTruncated = errors.New("datagram is cut short")
	ErrForeign   = errors.New("not a pxecast datagram")
	ErrVersion   = errors.New("datagram of another pxecast version: use the same version on sender and receivers")
	ErrChecksum  = errors.New("datagram damaged: checksum differs")
	ErrType      = errors.New("datagram of another type")
	ErrField     = errors.New("datagram has a field beyond its limit")
	ErrTrailing  = errors.New("datagram has bytes after its end")
)

// Header is what all datagrams begin with.
type Header struct {
	Type    Type
	Session SessionID
}

// ParseHeader checks length, magic, version and checksum of any datagram and
// returns its header. All parsers of this package call it first.
func ParseHeader(d []byte) (Header, error) {
	if len(d) < HeaderSize {
		return Header{}, ErrTruncated
	}
	if binary.BigEndian.Uint16(d[8:]) != magic {
		return Header{}, ErrForeign
	}
	if d[10] != Version {
		return Header{}, ErrVersion
	}
	if binary.BigEndian.Uint64(d) != Checksum(d) {
		return Header{}, ErrChecksum
	}
	return Header{Type: Type(d[11]), Session: SessionID(binary.BigEndian.Uint64(d[12:]))}, nil
}

// Checksum returns what the first eight bytes of a datagram, at least HeaderSize
// long, should say.
func Checksum(d []byte) uint64 {
	if Type(d[11]) == TypeData && len(d) >= DataHeaderSize {
		return xxhash.Sum64(d[8:DataHeaderSize]) + xxhash.Sum64(d[DataHeaderSize:])
	}
	return xxhash.Sum64(d[8:])
}

// expect is ParseHeader for a parser that takes one type only.
func expect(d []byte, t Type) (SessionID, error) {
	h, err := ParseHeader(d)
	if err != nil {
		return 0, err
	}
	if h.Type != t {
		return 0, ErrType
	}
	return h.Session, nil
}

// begin appends a header whose checksum is still to be sealed.
func begin(b []byte, t Type, s SessionID) []byte {
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, magic>>8, magic&0xff, Version, byte(t))
	return binary.BigEndian.AppendUint64(b, uint64(s))
}

// seal writes the checksum of the datagram that starts at b[start].
func seal(b []byte, start int) []byte {
	binary.BigEndian.PutUint64(b[start:], Checksum(b[start:]))
	return b
}
