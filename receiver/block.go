package receiver

import (
	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/protocol"
)

// block gathers the symbols of one block. Source symbols are copied to their
// place in the frame, so that without loss nothing is left to do; repair
// symbols wait beside it.
type block struct {
	object   protocol.Object
	sbn      protocol.SBN
	frameLen int
	layout   protocol.Layout
	buffer   []byte // K*Size bytes and more: the frame
	spare    []byte // repair symbols, in the order they came; nil without loss
	repairs  []protocol.ESI
	got      [(protocol.MaxFrame/protocol.MinSymbolSize + 1 + protocol.MaxRepair + 63) / 64]uint64
	held     int // distinct symbols
}

// need returns how many symbols are still missing.
func (b *block) need() int { return b.layout.K - b.held }

// missing returns how many source symbols are not here.
func (b *block) missing() int { return b.layout.K - (b.held - len(b.repairs)) }

func (b *block) has(e protocol.ESI) bool { return b.got[e>>6]>>(e&63)&1 != 0 }

// add copies a symbol of the right length into the block, unless it is here
// already. It returns false when memory has no place for it.
func (b *block) add(e protocol.ESI, symbol []byte, m *memory) bool {
	if b.has(e) {
		return true
	}
	if int(e) < b.layout.K {
		at := int(e) * b.layout.Size
		n := copy(b.buffer[at:], symbol)
		clear(b.buffer[at+n : at+b.layout.Size])
	} else if !b.addRepair(e, symbol, m) {
		return false
	}
	b.got[e>>6] |= 1 << (e & 63)
	b.held++
	return true
}

func (b *block) addRepair(e protocol.ESI, symbol []byte, m *memory) bool {
	at := len(b.repairs) * b.layout.Size
	if at+b.layout.Size > len(b.spare) {
		grown := m.get(at + b.layout.Size)
		if grown == nil {
			return false
		}
		copy(grown, b.spare)
		m.put(b.spare)
		b.spare = grown
	}
	copy(b.spare[at:], symbol)
	b.repairs = append(b.repairs, e)
	return true
}

// frame returns the block's frame, after rebuilding what is missing of it from
// parity. rows is scratch that it may grow.
func (b *block) frame(c *fec.Coder, rows *[][]byte) ([]byte, error) {
	if b.missing() == 0 {
		return b.buffer[:b.frameLen], nil
	}
	size := b.layout.Size
	r := (*rows)[:0]
	for i := range b.layout.K {
		row := b.buffer[i*size : (i+1)*size : (i+1)*size]
		if !b.has(protocol.ESI(i)) {
			row = row[:0]
		}
		r = append(r, row)
	}
	for range protocol.MaxRepair {
		r = append(r, nil)
	}
	for i, e := range b.repairs {
		r[e] = b.spare[i*size : (i+1)*size : (i+1)*size]
	}
	*rows = r
	if err := c.Reconstruct(r, b.layout.K); err != nil {
		return nil, err
	}
	return b.buffer[:b.frameLen], nil
}
