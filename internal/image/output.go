package image

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// An output is a file that has no name until it is complete: a process killed
// at any moment leaves nothing that looks finished.
type output struct {
	file *os.File
	temp string // its name where the file system knows no unnamed files
}

// partialSuffix marks the names of incomplete files, see output.temp.
const partialSuffix = ".partial"

// newOutput begins a file that will be committed to path, in whose folder it
// is made. perm is subject to the umask.
func newOutput(path string, perm uint32) (*output, error) {
	dir := filepath.Dir(path)
	f, err := unnamed(dir, perm, 0)
	if err == nil {
		return &output{file: f}, nil
	}
	if !noUnnamed(err) {
		return nil, fmt.Errorf("create file in %s: %w", dir, err)
	}
	return newNamedOutput(path, perm)
}

// newNamedOutput is newOutput for file systems that know no unnamed files
// (FAT, some network file systems).
func newNamedOutput(path string, perm uint32) (*output, error) {
	name := partialName(path)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, os.FileMode(perm))
	if err != nil {
		return nil, fmt.Errorf("create file in %s: %w", filepath.Dir(path), errors.Unwrap(err))
	}
	return &output{file: f, temp: name}, nil
}

// unnamed opens a new file in dir that has no name (O_TMPFILE).
func unnamed(dir string, perm uint32, flags int) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC|flags, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), dir+"/(unnamed)"), nil
}

// noUnnamed reports whether err means that the file system, or the kernel,
// knows no unnamed files; open(2) names these.
func noUnnamed(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL)
}

// partialName returns a hidden name beside path that no one else uses.
func partialName(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()+partialSuffix)
}

// newScratch opens a temporary file in dir that is gone when it is closed.
func newScratch(dir string) (*os.File, error) {
	f, err := unnamed(dir, 0o600, unix.O_EXCL)
	if err == nil || !noUnnamed(err) {
		return f, err
	}
	f, err = os.OpenFile(partialName(filepath.Join(dir, "scratch")), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		os.Remove(f.Name())
	}
	return f, err
}

// commit makes everything written durable and gives the file its name,
// replacing what had it.
func (o *output) commit(path string) error {
	if err := o.file.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Unwrap(err))
	}
	if o.temp == "" {
		err := o.link(path)
		if err == nil {
			return syncFolder(path)
		}
		if !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("name %s: %w", path, err)
		}
		// A link replaces nothing: only a rename does.
		o.temp = partialName(path)
		if err := o.link(o.temp); err != nil {
			o.temp = ""
			return fmt.Errorf("name %s: %w", path, err)
		}
	}
	if err := os.Rename(o.temp, path); err != nil {
		return fmt.Errorf("name %s: %w", path, errors.Unwrap(err))
	}
	o.temp = ""
	return syncFolder(path)
}

func (o *output) link(path string) error {
	self := "/proc/self/fd/" + strconv.Itoa(int(o.file.Fd()))
	return unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
}

// discard removes what was not committed and closes the file.
func (o *output) discard() {
	o.removeTemp()
	o.file.Close()
}

func (o *output) removeTemp() {
	if o.temp != "" {
		os.Remove(o.temp)
		o.temp = ""
	}
}

// syncFolder makes the name itself survive a power cut.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems cannot sync folders, and then need not.
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
