package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Check applies all guard rules to the target at path, for an image of size
// bytes; size 0 leaves out the question of room. Nothing is written and nothing
// is kept open. The Info is as complete as could be found out, also with an
// error, which then matches one of this package's sentinels in most cases.
//
// A path that is not there is a new image file if its folder exists and is not
// in /dev. Partitions are allowed; Info.Kind says so.
func Check(path string, size int64) (Info, error) {
	info, err := thisMachine().inspect(path)
	if err != nil {
		return info, err
	}
	return info, info.guard(size)
}

// inspect finds out what path is. An error means that it cannot be a target.
func (h host) inspect(path string) (Info, error) {
	info := Info{Path: path, Device: path}
	switch {
	case path == "":
		return info, refuse(ErrNotFound, "no target disk named: give a disk such as /dev/sda, or an image file%s", h.candidates())
	case path == DiscardPath:
		info.Kind = Discard
		return info, nil
	}
	id, mode, err := identify(path)
	if errors.Is(err, unix.ENOENT) {
		return h.inspectNew(info)
	}
	if err != nil {
		return info, cause(path, "look at", err)
	}
	info.id = id
	if d, err := filepath.EvalSymlinks(path); err == nil {
		info.Device = d
	}
	switch mode {
	case unix.S_IFBLK:
		return h.inspectDevice(info)
	case unix.S_IFREG:
		return h.inspectFile(info)
	case unix.S_IFDIR:
		return info, refuse(ErrDirectory, "%s is a directory: name a disk or an image file in it%s", path, h.candidates())
	}
	return info, refuse(ErrNotDisk, "%s is %s, not a disk or an image file%s", path, modeName(mode), h.candidates())
}

func modeName(mode uint32) string {
	switch mode {
	case unix.S_IFCHR:
		return "a character device"
	case unix.S_IFIFO:
		return "a named pipe"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a special file"
}

// inspectNew is for paths that are not there.
func (h host) inspectNew(info Info) (Info, error) {
	path := info.Path
	if strings.HasSuffix(path, "/") {
		return info, refuse(ErrDirectory, "%s names a directory, which is not there: name a disk or an image file", path)
	}
	if to, err := os.Readlink(path); err == nil {
		return info, refuse(ErrNotFound, "%s is a symbolic link to %s, which is not there%s", path, to, h.candidates())
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	if errors.Is(err, unix.ENOENT) && !underDev(path) {
		return info, refuse(ErrNotFound, "%s: the folder %s is not there: create it first, or check the spelling", path, filepath.Dir(path))
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return info, cause(path, "look at", err)
	}
	if err != nil || inDev(folder) {
		return info, refuse(ErrNotFound, "%s: no such disk%s", path, h.candidates())
	}
	info.Kind, info.Device = NewFile, filepath.Join(folder, filepath.Base(path))
	if err := unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return info, cause(path, "create", err)
	}
	return info, nil
}

func underDev(path string) bool {
	abs, err := filepath.Abs(path)
	return err == nil && strings.HasPrefix(abs, "/dev/")
}

// inDev tells whether folder belongs to the file system of device nodes, where
// a regular file is always a mistake (and fills memory). /dev/shm is not such a
// place: it is a file system of its own.
func inDev(folder string) bool {
	if folder != "/dev" && !strings.HasPrefix(folder, "/dev/") {
		return false
	}
	var a, b unix.Stat_t
	return unix.Stat(folder, &a) != nil || unix.Stat("/dev", &b) != nil || a.Dev == b.Dev
}

func (h host) inspectFile(info Info) (Info, error) {
	var st unix.Stat_t
	if err := unix.Stat(info.Path, &st); err != nil {
		return info, cause(info.Path, "look at", err)
	}
	info.Kind, info.Size = File, st.Size
	if inDev(filepath.Dir(info.Device)) {
		return info, refuse(ErrNotDisk, "%s is a regular file in /dev, not a disk: remove it; was a disk's name misspelt once?", info.Path)
	}
	// Root may write to a file that nobody is meant to write to.
	info.ReadOnly = st.Mode&0o222 == 0
	if err := h.usesFile(&info); err != nil {
		return info, err
	}
	if f, err := os.Open(info.Path); err == nil {
		info.Contents = contents(f, 0)
		f.Close()
	}
	return info, nil
}

func (h host) inspectDevice(info Info) (Info, error) {
	n, err := h.node(devnoOf(info.id.rdev))
	if err != nil {
		return info, fmt.Errorf("%s: %w", info.Path, err)
	}
	if err := h.describe(n, &info); err != nil {
		return info, fmt.Errorf("%s: %w", info.Path, err)
	}
	if err := h.uses(n, &info); err != nil {
		return info, fmt.Errorf("%s: %w", info.Path, err)
	}
	if f, err := os.Open(info.Path); err == nil {
		info.Contents = contents(f, info.LogicalSector)
		f.Close()
	}
	return info, nil
}

// guard refuses targets that must not be written to. It writes nothing.
func (i Info) guard(size int64) error {
	switch i.Kind {
	case NewFile, Discard:
		return nil
	case File:
		if i.ReadOnly {
			return refuse(ErrReadOnly, "%s is marked read-only: choose another target, or allow writing (chmod u+w)", i.Path)
		}
		if err := unix.Faccessat(unix.AT_FDCWD, i.Path, unix.R_OK|unix.W_OK, unix.AT_EACCESS); err != nil {
			return cause(i.Path, "write to", err)
		}
	default:
		if i.ReadOnly {
			return refuse(ErrReadOnly, "%s is read-only: choose another disk, or switch off its write protection (blockdev --setrw)", i.Path)
		}
		if i.Size == 0 {
			return refuse(ErrTooSmall, "%s has no medium or no size", i.Path)
		}
		if i.Size < size {
			return refuse(ErrTooSmall, "%s is too small: the image needs %s (%d bytes), it has %s (%d bytes)",
				i.Path, humanSize(size), size, humanSize(i.Size), i.Size)
		}
	}
	if len(i.Mounts) > 0 {
		return refuse(ErrMounted, "%s is mounted: %s: unmount it first (umount, swapoff)", i.Path, strings.Join(i.Mounts, ", "))
	}
	if len(i.Holders) > 0 {
		return refuse(ErrInUse, "%s is in use by %s: stop that first (dmsetup, mdadm, losetup)", i.Path, strings.Join(i.Holders, ", "))
	}
	// Reading only: closing a descriptor that could write makes udev look at
	// the disk again.
	fd, err := claim(i, unix.O_RDONLY)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// claim opens the target and makes it ours as long as the descriptor is open:
// O_EXCL on devices keeps out mounts, swap, md and every other claimer; on
// files it is a lock that other receivers see, and a look whether a virtual
// machine has the file open (QEMU locks bytes of it).
func claim(i Info, flags int) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOCTTY
	device := i.Kind != File
	if device {
		flags |= unix.O_EXCL
	}
	fd, err := openRetry(i.Device, flags)
	if err != nil {
		return -1, cause(i.Path, "open", err)
	}
	if err := i.lock(fd, device); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (i Info) lock(fd int, device bool) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return cause(i.Path, "look at", err)
	}
	if identityOf(&st) != i.id {
		return refuse(ErrInUse, "%s was exchanged while it was being opened: try again", i.Path)
	}
	err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if device {
		// Only a request to udev not to probe the disk meanwhile; a probe that
		// is under way is no reason to refuse.
		return nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		return refuse(ErrInUse, "%s is in use: another receiver is writing it", i.Path)
	}
	// NFS gives an exclusive lock only to a descriptor that may write (flock(2)).
	if err != nil && !errors.Is(err, unix.EBADF) {
		return fmt.Errorf("cannot lock %s: %w: choose a target on a local file system", i.Path, err)
	}
	held := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &held); err == nil && held.Type != unix.F_UNLCK {
		return refuse(ErrInUse, "%s is in use by another program, perhaps a virtual machine: stop it first (lslocks may name it)", i.Path)
	}
	return nil
}

func openRetry(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, flags, 0)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}
