package disk

import (
	"context"
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// zeroChunk is how much a device is asked to zero at once. The call cannot
	// be interrupted, and a disk that has no command for it writes zeros: this
	// takes half a second at 130 MB/s.
	zeroChunk = 64 << 20

	punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
)

// zeroFile makes a hole: one call, whatever the length.
func (r *raw) zeroFile(ctx context.Context, off, n int64) error {
	if !r.noPunch.Load() {
		err := fallocate(r.cached, off, n)
		if !unsupported(err) {
			return err
		}
		r.noPunch.Store(true)
	}
	// Past everything that was ever written, a file reads as zeros anyway.
	n = min(n, r.fresh.Load()-off)
	return r.writeZeros(ctx, off, n)
}

// zeroDevice: short ranges are written, which every disk does truthfully and at
// once. For the others, first the kernel's punch for devices: zeros by a command
// that may also release the space (BLKDISCARD releases too, and promises
// nothing about what reads back). Then BLKZEROOUT, where the kernel itself
// writes zeros to disks without such a command.
func (r *raw) zeroDevice(ctx context.Context, off, n int64) error {
	if n <= int64(len(r.zeros)) {
		return r.writeZeros(ctx, off, n)
	}
	align := int64(r.align)
	start, end := (off+align-1)/align*align, (off+n)/align*align
	if err := r.writeZeros(ctx, off, start-off); err != nil {
		return err
	}
	for start < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := min(zeroChunk, end-start)
		if err := r.zeroAligned(ctx, start, chunk); err != nil {
			return err
		}
		start += chunk
	}
	return r.writeZeros(ctx, end, off+n-end)
}

func (r *raw) zeroAligned(ctx context.Context, off, n int64) error {
	if !r.noPunch.Load() {
		err := fallocate(r.cached, off, n)
		if !unsupported(err) {
			return err
		}
		r.noPunch.Store(true)
	}
	if !r.noZeroout.Load() {
		err := zeroout(r.cached, off, n)
		if !unsupported(err) {
			r.wrote.Add(n) // by the kernel: there is no command, or the above had used it
			return err
		}
		r.noZeroout.Store(true)
	}
	return r.writeZeros(ctx, off, n)
}

func fallocate(fd int, off, n int64) error {
	for {
		if err := unix.Fallocate(fd, punch, off, n); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func zeroout(fd int, off, n int64) error {
	arg := [2]uint64{uint64(off), uint64(n)}
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKZEROOUT, uintptr(unsafe.Pointer(&arg)))
		runtime.KeepAlive(&arg)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// unsupported tells "this cannot be done here" from "the disk failed".
func unsupported(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENODEV) ||
		errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EREMOTEIO)
}

func (r *raw) writeZeros(ctx context.Context, off, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		chunk := min(n, int64(len(r.zeros)))
		if skip := off % int64(r.align); skip > 0 {
			chunk = min(n, int64(r.align)-skip) // from there on it is direct I/O
		}
		if err := r.writeAt(r.zeros[:chunk], off); err != nil {
			return err
		}
		r.wrote.Add(chunk)
		off, n = off+chunk, n-chunk
	}
	return nil
}
