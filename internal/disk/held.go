package disk

import "sync"

// held is a place of the disk, [off, end), whose contents wait in memory for
// Finish. On the disk it is zeros meanwhile: Begin erased it.
type held struct {
	off, end int64
	mu       sync.Mutex
	buf      []byte // nil until something is put: then zeros are all there is
}

// overlap returns the part of [off, off+n) that lies in the place.
func (h *held) overlap(off, n int64) (from, to int64) {
	return max(off, h.off), min(off+n, h.end)
}

func (h *held) covers(off, n int64) bool {
	from, to := h.overlap(off, n)
	return from < to
}

// put keeps what p, to be written at off, has for the place.
func (h *held) put(off int64, p []byte) {
	from, to := h.overlap(off, int64(len(p)))
	if from >= to {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.buf == nil {
		h.buf = AlignedBuffer(int(h.end - h.off))
	}
	copy(h.buf[from-h.off:], p[from-off:to-off])
}

func (h *held) clear(off, n int64) {
	from, to := h.overlap(off, n)
	h.mu.Lock()
	defer h.mu.Unlock()
	if from < to && h.buf != nil {
		clear(h.buf[from-h.off : to-h.off])
	}
}

// get replaces in p, read from off, what the place is going to hold.
func (h *held) get(off int64, p []byte) {
	from, to := h.overlap(off, int64(len(p)))
	if from >= to {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.buf != nil {
		copy(p[from-off:], h.buf[from-h.off:to-h.off])
	}
}
