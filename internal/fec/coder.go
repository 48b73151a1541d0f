// Package fec makes and uses repair symbols: a systematic Reed–Solomon erasure
// code over one block. From k source symbols a sender makes [Repair] repair
// symbols; a receiver that holds any k of the k+Repair gets the source back.
//
// The code is the O(n log n) one of S.-J. Lin, T. Y. Al-Naffouri, Y. S. Han and
// W.-H. Chung, "Novel Polynomial Basis with Fast Fourier Transform and Its
// Application to Reed-Solomon Erasure Codes" (IEEE Trans. Inf. Theory, 2016),
// as github.com/klauspost/reedsolomon implements it ("leopard"): over GF(2⁸) up
// to [MaxSourceGF8] source symbols, over GF(2¹⁶) above. Which field it is
// follows from k alone, so both ends agree without saying it on the wire.
//
// A decoder can't tell a wrong symbol from a right one: what it is given must
// have been checked, and the block's digest decides at the end.
package fec

import (
	"errors"
	"fmt"

	"github.com/klauspost/reedsolomon"

	"github.com/pxecast/pxecast/protocol"
)

const (
	// Repair is the number of repair symbols of every block, ESI k..k+63. It is
	// fixed because a repair symbol's content depends on how many there are.
	Repair = protocol.MaxRepair

	// MaxSourceGF8 is the largest k coded over GF(2⁸), which has room for
	// roundUp(k, 64) + 64 ≤ 256 symbols.
	MaxSourceGF8 = 192

	// MaxSource is the largest k taken: a block's longest frame in the shortest
	// symbols that the code knows. Real paths end at 588, on the least MTU of IPv4.
	MaxSource = protocol.MaxFrame / SymbolUnit

	// SymbolUnit is what every symbol size is a multiple of, in bytes: the code
	// works on 64 bytes at a time.
	SymbolUnit = 64

	// MaxSymbolSize is the largest symbol, in bytes.
	MaxSymbolSize = protocol.MaxSymbolSize
)

// Errors callers branch on. ErrTooFew is the normal state of a block that still
// lacks symbols; ErrShape is a mistake of the caller.
var (
	ErrTooFew = errors.New("fewer symbols than the block has source symbols: wait for more")
	ErrShape  = errors.New("symbols do not have the shape of a block")
)

// maxEncoders bounds the encoders kept: one for every k over GF(2⁸) and a few
// of the rare larger ones. Making one costs under a microsecond (see
// BenchmarkNewEncoder), so past the bound they are simply made again.
const maxEncoders = MaxSourceGF8 + 8

// Coder encodes and reconstructs blocks of any k. It keeps its encoders and one
// workspace, so that every worker has a Coder of its own: it is not safe for
// concurrent use, and it starts no goroutines.
type Coder struct {
	encoders map[int]reedsolomon.Encoder // by k
	work     workspace
	symbols  [][]byte // source and repair side by side, for the length of a call
}

// NewCoder returns a Coder. It allocates its workspace at first use.
func NewCoder() *Coder {
	return &Coder{encoders: make(map[int]reedsolomon.Encoder)}
}

// Encode fills repair (exactly [Repair] symbols) from source (k symbols, ESI
// 0..k-1). All have the same length, a multiple of [SymbolUnit]; a last source
// symbol that is shorter on the wire is given here padded with zeros. Source is
// only read. Errors: [ErrShape].
func (c *Coder) Encode(source, repair [][]byte) error {
	k := len(source)
	if len(repair) != Repair {
		return fmt.Errorf("encode: %d repair symbols instead of %d: %w", len(repair), Repair, ErrShape)
	}
	enc, err := c.encoder(k)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	size := len(source[0])
	c.symbols = append(append(c.symbols[:0], source...), repair...)
	defer clear(c.symbols) // a Coder must not keep the caller's buffers alive
	for esi, s := range c.symbols {
		if len(s) != size {
			return fmt.Errorf("encode: symbol %d of %d has %d bytes, symbol 0 has %d: %w", esi, k+Repair, len(s), size, ErrShape)
		}
	}
	if err := checkSize(size); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	if err := enc.Encode(c.symbols); err != nil {
		return fmt.Errorf("encode %d symbols of %d bytes: %w", k, size, err)
	}
	return nil
}

// Reconstruct fills in the missing source symbols of a block in place. symbols
// has k+[Repair] entries in order of ESI; those present all have the same
// length E, those missing have length 0. A missing source symbol must have
// capacity for E bytes, where it is decoded, and has length E afterwards.
// Missing repair symbols may be nil and stay missing.
//
// Errors: [ErrTooFew] if fewer than k are present, [ErrShape]; symbols are then
// as they were.
func (c *Coder) Reconstruct(symbols [][]byte, k int) error {
	enc, err := c.encoder(k)
	if err != nil {
		return fmt.Errorf("reconstruct: %w", err)
	}
	if len(symbols) != k+Repair {
		return fmt.Errorf("reconstruct: %d symbols instead of %d source and %d repair: %w", len(symbols), k, Repair, ErrShape)
	}
	complete, err := checkPresent(symbols, k)
	if err != nil {
		return fmt.Errorf("reconstruct: %w", err)
	}
	if complete {
		return nil
	}
	if err := enc.ReconstructData(symbols); err != nil {
		return fmt.Errorf("reconstruct %d symbols: %w", k, err)
	}
	return nil
}

// checkPresent checks a block's symbols before decoding; complete means that no
// source symbol is missing.
func checkPresent(symbols [][]byte, k int) (complete bool, err error) {
	present, source, size := 0, 0, 0
	for esi, s := range symbols {
		if len(s) == 0 {
			continue
		}
		if size == 0 {
			size = len(s)
		}
		if len(s) != size {
			return false, fmt.Errorf("symbol %d has %d bytes, others have %d: %w", esi, len(s), size, ErrShape)
		}
		present++
		if esi < k {
			source++
		}
	}
	switch {
	case present < k:
		return false, fmt.Errorf("%d of %d: %w", present, k, ErrTooFew)
	case source == k:
		return true, checkSize(size)
	}
	for esi, s := range symbols[:k] {
		if len(s) == 0 && cap(s) < size {
			return false, fmt.Errorf("missing symbol %d has room for %d bytes, not for %d: %w", esi, cap(s), size, ErrShape)
		}
	}
	return false, checkSize(size)
}

func checkSize(size int) error {
	if size == 0 || size%SymbolUnit != 0 || size > MaxSymbolSize {
		return fmt.Errorf("symbol size of %d bytes is not a multiple of %d up to %d: %w", size, SymbolUnit, MaxSymbolSize, ErrShape)
	}
	return nil
}

// encoder returns the code for k source symbols.
func (c *Coder) encoder(k int) (reedsolomon.Encoder, error) {
	if k < 1 || k > MaxSource {
		return nil, fmt.Errorf("%d source symbols, a block has 1 to %d: %w", k, MaxSource, ErrShape)
	}
	if enc, ok := c.encoders[k]; ok {
		return enc, nil
	}
	enc, err := newEncoder(k, &c.work, false)
	if err != nil {
		return nil, fmt.Errorf("code for %d source symbols: %w", k, err)
	}
	if len(c.encoders) >= maxEncoders {
		clear(c.encoders)
	}
	c.encoders[k] = enc
	return enc, nil
}

// newEncoder makes the code for k source symbols. inversionCache must be false:
// the library's cache (v1.14.2) is keyed by the missing source symbols alone,
// but what it keeps depends on the missing repair symbols too. The second of
// two blocks that lack the same source symbols and got different repair symbols
// is then decoded to wrong bytes without an error. Only the tests pass true, to
// prove that they would notice.
func newEncoder(k int, work reedsolomon.WorkAllocator, inversionCache bool) (reedsolomon.Encoder, error) {
	return reedsolomon.New(k, Repair,
		reedsolomon.WithLeopardGF(true), // GF(2⁸) while k+Repair ≤ 256, else GF(2¹⁶)
		reedsolomon.WithInversionCache(inversionCache),
		reedsolomon.WithMaxGoroutines(1), // the workers are the parallelism
		reedsolomon.WithWorkAllocator(work),
	)
}
