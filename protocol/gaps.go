package protocol

import "encoding/binary"

// The gaps of a report are coded backwards from AsOf: for each the received
// datagrams between it and the one after it, and its count.

// AddGap appends g, which lies before those added so far, to Recent. It returns
// false, and changes nothing, when MaxGapBytes are full or g lies 2³² datagrams
// back or more, which can't be coded; AsOf must be set already.
func (v *Report) AddGap(g Gap) bool {
	n, at := len(v.Recent), v.AsOf
	if n > 0 {
		at = v.Recent[n-1].First - 1
	}
	if !g.codable(at) {
		return false
	}
	v.Recent = append(v.Recent, g)
	if gapBytes(v.Recent, v.AsOf) > MaxGapBytes {
		v.Recent = v.Recent[:n]
		return false
	}
	return true
}

// gapBytes returns the length in bytes of what appendGaps writes, without the
// byte before it that says so.
func gapBytes(gaps []Gap, asOf Seq) (n int) {
	var spare [2 * binary.MaxVarintLen64]byte
	for _, g := range gaps {
		n += len(g.append(spare[:0], asOf))
		asOf = g.First - 1
	}
	return n
}

// codable reports whether g is a gap that append can code.
func (g Gap) codable(at Seq) bool {
	return g.First > 0 && g.Count > 0 && g.Last() >= g.First && g.Last() <= at && at-g.Last() <= 1<<32-1
}

// append codes the gap, after which there are datagrams up to at.
func (g Gap) append(b []byte, at Seq) []byte {
	b = binary.AppendUvarint(b, uint64(at-g.Last()))
	return binary.AppendUvarint(b, uint64(g.Count))
}

func appendGaps(b []byte, gaps []Gap, asOf Seq) ([]byte, error) {
	start := len(b)
	b = append(b, 0)
	for _, g := range gaps {
		if !g.codable(asOf) {
			return nil, ErrField
		}
		b = g.append(b, asOf)
		asOf = g.First - 1
	}
	n := len(b) - start - 1
	if n > MaxGapBytes {
		return nil, ErrField
	}
	b[start] = byte(n)
	return b, nil
}

func (c *cursor) gaps(out []Gap, asOf Seq) []Gap {
	n := int(c.u8())
	c.limit(n <= MaxGapBytes)
	if c.err == nil && len(c.b) < n {
		c.err = ErrTruncated
	}
	if c.err != nil {
		return out
	}
	list := cursor{b: c.take(n)}
	for c.err == nil && len(list.b) > 0 {
		back, count := Seq(list.uvarint()), Seq(list.uvarint())
		c.err = list.err
		c.limit(count > 0 && back < asOf && count <= asOf-back)
		if c.err != nil {
			break
		}
		out = append(out, Gap{First: asOf - back - count + 1, Count: uint32(count)})
		asOf -= back + count
	}
	return out
}
