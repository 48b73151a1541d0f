package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Loop is a loop device with a file behind it: a disk to write to.
type Loop struct {
	device  *os.File
	backing string
}

// ErrNoLoop is returned by AttachLoop when all loop devices are taken.
var ErrNoLoop = errors.New("lab: no free loop device (losetup -l lists the users)")

// AttachLoop attaches a file to the first free one of the loop devices that
// exist in /dev; it makes no new ones. The kernel detaches the device by itself
// when the last process that has it open is gone, so that not even kill -9
// leaves it attached.
//
// sector is the logical sector size in bytes; 0 means 512.
func AttachLoop(file string, sector int) (*Loop, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("lab: attaching a loop device: %w", err)
	}
	defer backing.Close()
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	devices, err := filepath.Glob("/dev/loop[0-9]*")
	if err != nil {
		return nil, err
	}
	for _, name := range devices {
		device, err := attachTo(name, backing, path, sector)
		switch {
		case err == nil:
			return &Loop{device: device, backing: path}, nil
		case errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENXIO) || errors.Is(err, os.ErrNotExist):
			// Somebody else's; the next one may be free.
		default:
			return nil, fmt.Errorf("lab: attaching %s to %s: %w", file, name, err)
		}
	}
	return nil, ErrNoLoop
}

func attachTo(name string, backing *os.File, path string, sector int) (*os.File, error) {
	device, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	cfg := unix.LoopConfig{Fd: uint32(backing.Fd()), Size: uint32(sector)}
	cfg.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
	copy(cfg.Info.File_name[:len(cfg.Info.File_name)-1], path)
	if err := unix.IoctlLoopConfigure(int(device.Fd()), &cfg); err != nil {
		device.Close()
		return nil, err
	}
	return device, nil
}

// Path is the device, such as /dev/loop0.
func (l *Loop) Path() string { return l.device.Name() }

// Attached tells whether the device still has this file behind it.
func (l *Loop) Attached() bool {
	b, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(l.Path()), "loop/backing_file"))
	return err == nil && strings.TrimSpace(string(b)) == l.backing
}

// Close lets the device go. It is detached at once, or as soon as its last user
// closes it.
func (l *Loop) Close() error { return l.device.Close() }
