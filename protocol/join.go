package protocol

import "encoding/binary"

// CookieSize is the length in bytes of a cookie: 128 bits can't be guessed.
const CookieSize = 16

// Cookie proves that its holder receives at the address that it sends from,
// as in DTLS (RFC 9147 §5.1).
type Cookie [CookieSize]byte

// ReceiverID names a machine and its target disk, the same after a restart.
type ReceiverID uint64

// Join asks for a place in a session. The first one carries a zero cookie and
// is answered by a challenge; the second carries the challenge's cookie.
type Join struct {
	Session  SessionID
	Receiver ReceiverID
	Run      uint64 // random for each start of the receiver: a restarted one holds nothing of its former reports
	Nonce    uint64 // comes back in the WELCOME: freshness, and the round trip time
	Cookie   Cookie
	Peer     uint16 // TCP port where it serves the blocks that it has; 0 none
	Name     string // host name, ≤ MaxName bytes
}

// AppendBinary appends the whole datagram to b.
func (v *Join) AppendBinary(b []byte) ([]byte, error) {
	start := len(b)
	b = begin(b, TypeJoin, v.Session)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Receiver))
	b = binary.BigEndian.AppendUint64(b, v.Run)
	b = binary.BigEndian.AppendUint64(b, v.Nonce)
	b = append(b, v.Cookie[:]...)
	b = binary.BigEndian.AppendUint16(b, v.Peer)
	b, err := appendText(b, v.Name, MaxName)
	if err != nil {
		return nil, err
	}
	return seal(b, start), nil
}

// ParseJoin parses a JOIN datagram.
func ParseJoin(d []byte) (Join, error) {
	s, err := expect(d, TypeJoin)
	if err != nil {
		return Join{}, err
	}
	c := cursor{b: d[HeaderSize:]}
	v := Join{Session: s, Receiver: ReceiverID(c.u64()), Run: c.u64(), Nonce: c.u64()}
	v.Cookie = Cookie(c.take(CookieSize))
	v.Peer = c.u16()
	v.Name = c.text(MaxName)
	if err := c.end(); err != nil {
		return Join{}, err
	}
	return v, nil
}

// WelcomeStatus is the answer to a JOIN.
type WelcomeStatus uint8

// A challenge costs the sender no memory and no signature, and is no longer
// than the JOIN: nobody can be flooded through us.
const (
	WelcomeChallenge WelcomeStatus = 1 // join again with this cookie
	WelcomeAdmitted  WelcomeStatus = 2
	WelcomeFull      WelcomeStatus = 3 // MaxReceivers are here already
)

// Number is a receiver's place in a session's roster.
type Number uint32

// Welcome answers a JOIN.
type Welcome struct {
	Session   SessionID
	Receiver  ReceiverID
	Nonce     uint64
	Status    WelcomeStatus
	Number    Number // 0..MaxReceivers-1; 0 unless admitted
	Cookie    Cookie
	Signature [SignatureSize]byte // absent from a challenge
}

func (v *Welcome) valid() bool {
	if v.Status == WelcomeAdmitted {
		return v.Number < MaxReceivers
	}
	return (v.Status == WelcomeChallenge || v.Status == WelcomeFull) && v.Number == 0
}

// AppendBinary appends the datagram to b, signed (context ContextWelcome)
// unless it is a challenge.
func (v *Welcome) AppendBinary(b []byte, sign func(msg []byte) [SignatureSize]byte) ([]byte, error) {
	if !v.valid() {
		return nil, ErrField
	}
	start := len(b)
	b = begin(b, TypeWelcome, v.Session)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Receiver))
	b = binary.BigEndian.AppendUint64(b, v.Nonce)
	b = append(b, byte(v.Status))
	b = binary.BigEndian.AppendUint32(b, uint32(v.Number))
	b = append(b, v.Cookie[:]...)
	if v.Status != WelcomeChallenge {
		sig := sign(b[start+8:])
		b = append(b, sig[:]...)
	}
	return seal(b, start), nil
}

// ParseWelcome parses a WELCOME datagram. signed is what the signature must
// cover, nil for a challenge; it aliases d.
func ParseWelcome(d []byte) (v Welcome, signed []byte, err error) {
	s, err := expect(d, TypeWelcome)
	if err != nil {
		return Welcome{}, nil, err
	}
	c := cursor{b: d[HeaderSize:]}
	v = Welcome{Session: s, Receiver: ReceiverID(c.u64()), Nonce: c.u64(),
		Status: WelcomeStatus(c.u8()), Number: Number(c.u32())}
	v.Cookie = Cookie(c.take(CookieSize))
	if c.err == nil && v.Status != WelcomeChallenge {
		signed = d[8 : len(d)-len(c.b)]
		v.Signature = [SignatureSize]byte(c.take(SignatureSize))
	}
	c.limit(v.valid())
	if err := c.end(); err != nil {
		return Welcome{}, nil, err
	}
	return v, signed, nil
}
