package disk

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Why a target is refused. The errors returned by Check, Lock, Open and
// OpenReadOnly match one of them with errors.Is; their text names the target
// and says what to do.
var (
	ErrNotFound   = errors.New("target is not there")
	ErrDirectory  = errors.New("target is a directory")
	ErrNotDisk    = errors.New("target is neither a block device nor an image file")
	ErrTooSmall   = errors.New("target is too small")
	ErrReadOnly   = errors.New("target is read-only")
	ErrPermission = errors.New("no permission to use the target")
	ErrMounted    = errors.New("target is mounted")
	ErrInUse      = errors.New("target is in use")
)

// refusal is a guard rule's answer: text for people, a sentinel for callers.
type refusal struct {
	text   string
	reason error
}

func refuse(reason error, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), reason}
}

func (r *refusal) Error() string { return r.text }
func (r *refusal) Unwrap() error { return r.reason }

// Error is a failure of the disk itself. Op is "read", "write", "zero", "flush",
// "extend" or "close"; Offset is in bytes, and -1 where there is none.
type Error struct {
	Op     string
	Path   string
	Offset int64
	Err    error
}

func (e *Error) Error() string {
	s := e.Op + " " + e.Path
	if e.Offset >= 0 {
		s = fmt.Sprintf("%s at byte %d", s, e.Offset)
	}
	s += ": " + e.Err.Error()
	if h := hint(e.Err); h != "" {
		s += ": " + h
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

func hint(err error) string {
	switch {
	case errors.Is(err, unix.EIO), errors.Is(err, unix.EREMOTEIO), errors.Is(err, unix.ENODATA):
		return "the disk may be failing; the kernel log (dmesg) says more"
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return "the disk is gone; was it unplugged?"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return "make room there or choose another target"
	case errors.Is(err, unix.EFBIG):
		return "that file system cannot hold a file of this size"
	}
	return ""
}

// cause says what a failed system call on path means for the user.
func cause(path, doing string, err error) error {
	switch {
	case errors.Is(err, unix.EACCES):
		return refuse(ErrPermission, "%s: no permission to %s it: run as root or as a member of its group", path, doing)
	case errors.Is(err, unix.EROFS):
		return refuse(ErrReadOnly, "%s is read-only: choose another target, or make it writable", path)
	case errors.Is(err, unix.EPERM):
		return refuse(ErrReadOnly, "%s is protected from writing (see lsattr): choose another target, or lift that", path)
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.ETXTBSY):
		return refuse(ErrInUse, "%s is in use by another program: stop it first (fuser -v %[1]s may name it)", path)
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return refuse(ErrNotFound, "%s is not there (%v): check the spelling", path, err)
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.ENODEV):
		return refuse(ErrNotFound, "%s: no disk answers there (%v)", path, err)
	case errors.Is(err, unix.ENOMEDIUM):
		return refuse(ErrNotFound, "%s: no medium in the drive: insert one", path)
	}
	return fmt.Errorf("cannot %s %s: %w", doing, path, err)
}
