package source

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Raw is a raw image that can be read at any position. ReadAt is safe for
// concurrent use; NextData is not.
type Raw struct {
	file    *os.File
	size    int64
	noHoles bool // the file system or device cannot tell
}

// Size returns the size of the image in bytes.
func (r *Raw) Size() int64 { return r.size }

// ReadAt reads like [os.File.ReadAt].
func (r *Raw) ReadAt(p []byte, off int64) (int, error) { return r.file.ReadAt(p, off) }

// NextData returns the first range of data at or after off, as lseek(2)
// SEEK_DATA and SEEK_HOLE tell it. Everything between off and start reads as
// zeros. start is Size when no data is left.
func (r *Raw) NextData(off int64) (start, end int64, err error) {
	if r.noHoles || off >= r.size {
		return min(off, r.size), r.size, nil
	}
	fd := int(r.file.Fd())
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	switch {
	case errors.Is(err, unix.ENXIO):
		return r.size, r.size, nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		r.noHoles = true
		return off, r.size, nil
	case err != nil:
		return 0, 0, os.NewSyscallError("lseek", err)
	}
	end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	if err != nil {
		return 0, 0, os.NewSyscallError("lseek", err)
	}
	return min(start, r.size), min(end, r.size), nil
}
