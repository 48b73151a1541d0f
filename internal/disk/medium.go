package disk

import (
	"context"
	"errors"
)

// medium is what holds the bytes: a device, a file, or nothing at all. Target
// decides what may be written and when; a medium only does it. All methods are
// safe for concurrent use on different ranges, except grow and close. Offsets
// and lengths may have any alignment.
type medium interface {
	// readAt fills p; fewer bytes without an error mean the end of the medium.
	readAt(p []byte, off int64) (int, error)
	// writeAt writes all of p or fails.
	writeAt(p []byte, off int64) error
	// zero makes [off, off+n) read as zeros.
	zero(ctx context.Context, off, n int64) error
	// grow makes the medium at least size bytes long.
	grow(size int64) error
	// sync returns when everything written before survives a power cut.
	sync() error
	// settle tells the system that the contents are new.
	settle()
	close() error
}

// discard takes everything and keeps nothing.
type discard struct{}

var errDiscarded = errors.New("this target keeps nothing")

func (discard) readAt([]byte, int64) (int, error)        { return 0, errDiscarded }
func (discard) writeAt([]byte, int64) error              { return nil }
func (discard) zero(context.Context, int64, int64) error { return nil }
func (discard) grow(int64) error                         { return nil }
func (discard) sync() error                              { return nil }
func (discard) settle()                                  {}
func (discard) close() error                             { return nil }
