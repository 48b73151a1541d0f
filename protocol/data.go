package protocol

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// DataHeaderSize is the length in bytes of a DATA datagram before its symbol.
const DataHeaderSize = 40

// Data is one symbol of one block on its way to everybody.
type Data struct {
	Session  SessionID
	Object   Object
	ESI      ESI
	SBN      SBN
	FrameLen int // bytes of the block's zstd frame, or of the manifest's block
	Seq      Seq
	Symbol   []byte // 1..MaxSymbolSize bytes; aliases the datagram when parsed
}

// ParseData parses a DATA datagram. It allocates nothing; Symbol aliases d.
func ParseData(d []byte) (Data, error) {
	s, err := expect(d, TypeData)
	if err != nil {
		return Data{}, err
	}
	if len(d) <= DataHeaderSize {
		return Data{}, ErrTruncated
	}
	v := Data{
		Session:  s,
		Object:   Object(d[20]),
		ESI:      ESI(binary.BigEndian.Uint16(d[22:])),
		SBN:      SBN(binary.BigEndian.Uint32(d[24:])),
		FrameLen: int(binary.BigEndian.Uint32(d[28:])),
		Seq:      Seq(binary.BigEndian.Uint64(d[32:])),
		Symbol:   d[DataHeaderSize:],
	}
	if d[21] != 0 || !v.valid() {
		return Data{}, ErrField
	}
	return v, nil
}

// valid says nothing of the ESI and of the symbol's length against the frame's:
// these need the session's symbol size, which the datagram does not carry.
func (v *Data) valid() bool {
	return v.Object <= ObjectImage && v.SBN < MaxSBN && v.Seq != 0 &&
		v.FrameLen >= 1 && v.FrameLen <= MaxFrame && len(v.Symbol) >= 1 && len(v.Symbol) <= MaxSymbolSize
}

// PutHeader writes the 40-byte header of v, with the checksum of header and
// Symbol, into h. Header and symbol go out gathered from two places, so the
// symbol is never copied, and the checksum is the sum of two: to hash two pieces
// as one takes a quarter more time. It checks no limit: that is its caller's part.
func (v *Data) PutHeader(h *[DataHeaderSize]byte) {
	binary.BigEndian.PutUint16(h[8:], magic)
	h[10], h[11] = Version, byte(TypeData)
	binary.BigEndian.PutUint64(h[12:], uint64(v.Session))
	h[20], h[21] = byte(v.Object), 0
	binary.BigEndian.PutUint16(h[22:], uint16(v.ESI))
	binary.BigEndian.PutUint32(h[24:], uint32(v.SBN))
	binary.BigEndian.PutUint32(h[28:], uint32(v.FrameLen))
	binary.BigEndian.PutUint64(h[32:], uint64(v.Seq))
	binary.BigEndian.PutUint64(h[:], xxhash.Sum64(h[8:])+xxhash.Sum64(v.Symbol))
}

// AppendBinary appends the whole datagram to b.
func (v *Data) AppendBinary(b []byte) ([]byte, error) {
	if !v.valid() {
		return nil, ErrField
	}
	var h [DataHeaderSize]byte
	v.PutHeader(&h)
	return append(append(b, h[:]...), v.Symbol...), nil
}

// FlushSize is the length in bytes of a FLUSH datagram.
const FlushSize = HeaderSize + 8

// Flush is sent on the data group when the sender has nothing else to send
// but someone still lacks something (NORM_CMD(FLUSH), RFC 5740 §4.2.3.1): it
// takes a sequence number of its own, so that the loss of the last symbols is
// noticed.
type Flush struct {
	Session SessionID
	Seq     Seq
}

// AppendBinary appends the whole datagram to b.
func (v *Flush) AppendBinary(b []byte) ([]byte, error) {
	if v.Seq == 0 {
		return nil, ErrField
	}
	start := len(b)
	b = begin(b, TypeFlush, v.Session)
	b = binary.BigEndian.AppendUint64(b, uint64(v.Seq))
	return seal(b, start), nil
}

// ParseFlush parses a FLUSH datagram.
func ParseFlush(d []byte) (Flush, error) {
	s, err := expect(d, TypeFlush)
	if err != nil {
		return Flush{}, err
	}
	c := cursor{b: d[HeaderSize:]}
	v := Flush{Session: s, Seq: Seq(c.u64())}
	c.limit(v.Seq != 0)
	if err := c.end(); err != nil {
		return Flush{}, err
	}
	return v, nil
}
