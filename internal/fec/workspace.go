package fec

import "github.com/klauspost/reedsolomon"

// workspace is the scratch memory of all encoders of one Coder. Without it the
// library keeps a pool for each encoder: with one encoder for every k that
// would be 8 MiB of address space and over 1 MiB of touched memory, 187 times.
//
// It implements [reedsolomon.WorkAllocator], which asks for safety under
// concurrent use. A Coder is used by one goroutine and runs one encoder at a
// time, so there is nothing to guard.
type workspace struct {
	buf     []byte   // 64-byte aligned
	buffers [][]byte // headers handed out
}

// Get returns n aligned buffers of size bytes. They hold whatever was in them.
func (w *workspace) Get(n, size int) [][]byte {
	// One cache line more than the size: with a power of two as distance, the
	// same offset in all buffers would compete for the same few cache sets.
	stride := (size+SymbolUnit-1)/SymbolUnit*SymbolUnit + SymbolUnit
	if need := n * stride; need > len(w.buf) {
		w.buf = reedsolomon.AllocAligned(1, need)[0]
	}
	if n > cap(w.buffers) {
		w.buffers = make([][]byte, n)
	}
	w.buffers = w.buffers[:n]
	for i := range w.buffers {
		w.buffers[i] = w.buf[i*stride:][:size:stride]
	}
	return w.buffers
}

// Put does nothing: the next Get hands out the same memory again.
func (w *workspace) Put([][]byte) {}
