package disk

import (
	"errors"
	"io"
	"os"
	"sync"
)

// Reader reads a disk as it is on the medium. Its methods are safe for
// concurrent use.
type Reader struct {
	info Info
	mu   sync.RWMutex // held for writing by Close alone
	m    medium
}

// Info returns what was found when the disk was opened.
func (r *Reader) Info() Info { return r.info }

// ReadBlock fills p from offset off, past the page cache. p from AlignedBuffer,
// with off and len(p) multiples of 4096, is read without a copy. The end of the
// disk before the end of p is an error that matches io.ErrUnexpectedEOF.
func (r *Reader) ReadBlock(off int64, p []byte) error {
	n, err := r.read(off, p)
	if err == nil && n < len(p) {
		err = &Error{"read", r.info.Path, off + int64(n), io.ErrUnexpectedEOF}
	}
	return err
}

// ReadAt is ReadBlock with the contract of io.ReaderAt.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.read(off, p)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (r *Reader) read(off int64, p []byte) (int, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.m == nil {
		return 0, &Error{"read", r.info.Path, off, os.ErrClosed}
	}
	return readMedium(r.m, r.info.Path, off, p)
}

func readMedium(m medium, path string, off int64, p []byte) (int, error) {
	if off < 0 {
		return 0, &Error{"read", path, off, errors.New("negative offset")}
	}
	n, err := m.readAt(p, off)
	if err != nil {
		return n, &Error{"read", path, off + int64(n), err}
	}
	return n, nil
}

// Close releases the disk, after the reads under way.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		return nil
	}
	m := r.m
	r.m = nil
	if err := m.close(); err != nil {
		return &Error{"close", r.info.Path, -1, err}
	}
	return nil
}
