package protocol

// SymbolSize returns the symbol size in bytes for a path of this MTU: a
// multiple of 64 (leopard's unit) such that a DATA datagram is never
// fragmented. It returns 0 when not even MinSymbolSize fits.
func SymbolSize(mtu int) int {
	t := (min(mtu, 65535) - ipUDP - DataHeaderSize) &^ 63
	if t < MinSymbolSize {
		return 0
	}
	return t
}

// A Layout says how a frame is cut into symbols (RFC 5052 §9.1 with one
// source block). Small frames get equal, smaller symbols rather than one
// padded one, so that their repair symbols are small too.
type Layout struct {
	K    int // source symbols
	Size int // E, bytes of every symbol in the FEC maths; a multiple of 64
	Last int // bytes of the last source symbol on the wire; zero-padded to Size in the maths
}

// LayoutOf returns the layout of a frame of frameLen bytes, 1..MaxFrame, in a
// session whose symbol size is t, a multiple of 64.
func LayoutOf(frameLen, t int) Layout {
	k := (frameLen + t - 1) / t
	// E ≤ t because t is a multiple of 64 too, and (k-1)·t < frameLen, so the
	// last symbol always has something to carry.
	e := ((frameLen+k-1)/k + 63) &^ 63
	return Layout{K: k, Size: e, Last: frameLen - (k-1)*e}
}

// N returns k+m, the number of symbols that the block can ever have.
func (l Layout) N() int { return l.K + MaxRepair }

// Len returns the length in bytes on the wire of the symbol with this ESI.
func (l Layout) Len(e ESI) int {
	if int(e) == l.K-1 {
		return l.Last
	}
	return l.Size
}

// Blocks returns how many blocks an object of size bytes has.
func Blocks(size int64) int { return int((size + BlockSize - 1) / BlockSize) }
