package disk

import "golang.org/x/sys/unix"

// ZeroWrites returns how many bytes of zeros had to be written so far, by Begin
// and Zero, because the disk has no command for that.
func (t *Target) ZeroWrites() int64 {
	if r, ok := t.m.(*raw); ok {
		return r.wrote.Load()
	}
	return 0
}

// NextData returns where, at off or after it, something other than zeros may
// begin. It reads nothing: a device may hold data anywhere, an image file where
// it has no hole. What lies past the end of a file is none.
func (t *Target) NextData(off int64) int64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	r, ok := t.m.(*raw)
	if !ok || t.stage == closed || r.kind != File && r.kind != NewFile {
		return off
	}
	next, err := unix.Seek(r.cached, off, unix.SEEK_DATA)
	if err == unix.ENXIO { // a hole up to the end, or past it
		next, err = unix.Seek(r.cached, 0, unix.SEEK_END)
	}
	if err != nil {
		return off // a file system that does not tell
	}
	return max(off, next)
}
