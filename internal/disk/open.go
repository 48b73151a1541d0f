package disk

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lock applies all guard rules, claims the target for this process and opens
// it, for an image of size bytes. Not a byte is written (a new image file is
// created, empty, and removed by Close unless Begin follows), but the target can
// be read: a disk that holds the image already needs no Begin.
func Lock(path string, size int64) (*Target, error) {
	if size <= 0 {
		return nil, fmt.Errorf("cannot write an image of %d bytes to %s", size, path)
	}
	info, err := Check(path, size)
	if err != nil {
		return nil, err
	}
	switch info.Kind {
	case Discard:
		return newTarget(info, size, discard{}), nil
	case NewFile:
		return lockNew(info, size)
	}
	fd, err := claim(info, unix.O_RDWR)
	if err != nil {
		return nil, err
	}
	return newTarget(info, size, newRaw(info, fd, unix.O_RDWR)), nil
}

func lockNew(info Info, size int64) (*Target, error) {
	fd, err := unix.Open(info.Device, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if errors.Is(err, unix.EEXIST) {
		return nil, refuse(ErrInUse, "%s has just been created by another program: try again", info.Path)
	}
	if err != nil {
		return nil, cause(info.Path, "create", err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		info.id = identityOf(&st)
		err = info.lock(fd, false)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(info.Device))
	}
	if err != nil {
		unix.Close(fd)
		unix.Unlink(info.Device)
		return nil, fmt.Errorf("cannot create %s: %w", info.Path, err)
	}
	t := newTarget(info, size, newRaw(info, fd, unix.O_RDWR))
	t.created = info.Device
	return t, nil
}

// syncFolder makes a new file's name survive a power cut.
func syncFolder(folder string) error {
	fd, err := unix.Open(folder, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fsync(fd); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: cannot be synced, and need not
		return err
	}
	return nil
}

// Open is Lock and Begin.
func Open(path string, size int64) (*Target, error) {
	t, err := Lock(path, size)
	if err != nil {
		return nil, err
	}
	if err := t.Begin(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// OpenDiscard opens a target that accepts an image of size bytes and keeps
// nothing. Reading from it is an error.
func OpenDiscard(size int64) *Target {
	t := newTarget(Info{Path: DiscardPath, Kind: Discard}, size, discard{})
	t.stage = writing
	return t
}

// OpenReadOnly opens a disk, a partition or an image file for reading, past the
// page cache where the system can do that. It may be mounted or in use.
func OpenReadOnly(path string) (*Reader, error) {
	info, err := thisMachine().inspect(path)
	if err != nil {
		return nil, err
	}
	switch info.Kind {
	case NewFile:
		return nil, refuse(ErrNotFound, "%s is not there", path)
	case Discard:
		return nil, refuse(ErrNotDisk, "%s keeps nothing that could be read", path)
	}
	fd, err := openRetry(info.Device, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY)
	if err != nil {
		return nil, cause(path, "open", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || identityOf(&st) != info.id {
		unix.Close(fd)
		return nil, refuse(ErrInUse, "%s was exchanged while it was being opened: try again", path)
	}
	return &Reader{info: info, m: newRaw(info, fd, unix.O_RDONLY)}, nil
}
