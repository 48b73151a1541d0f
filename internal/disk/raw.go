package disk

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// raw is a medium on a block device or a regular file. It has two descriptors
// of the same thing: whatever is aligned goes past the page cache, the rest (the
// image's tail) through it, where the kernel reads, changes and writes the last
// sector of a device by itself and keeps a file's exact length. The kernel keeps
// the two views coherent as long as no page is written both ways at once.
type raw struct {
	kind   Kind
	cached int // holds the claim
	direct int // -1: none
	align  int // of offset and length for direct

	noDirect  atomic.Bool // O_DIRECT was accepted by open and refused by a read or write
	noPunch   atomic.Bool
	noZeroout atomic.Bool
	wrote     atomic.Int64 // bytes of zeros that were not left to a command
	fresh     atomic.Int64 // of a file that was extended: where never written bytes begin
	bounce    sync.Pool    // *[]byte of blockSize, aligned
	zeros     []byte
}

// newRaw takes over fd.
func newRaw(info Info, fd, flags int) *raw {
	r := &raw{kind: info.Kind, cached: fd, direct: -1, align: max(pageSize, info.LogicalSector)}
	r.bounce.New = func() any { b := AlignedBuffer(max(blockSize, r.align)); return &b }
	if flags == unix.O_RDWR {
		r.zeros = AlignedBuffer(endSize)
	}
	// No O_EXCL here: the claim of the first descriptor covers this one.
	direct, err := openRetry(info.Device, flags|unix.O_DIRECT|unix.O_CLOEXEC|unix.O_NOCTTY)
	if err != nil {
		return r // a file system without O_DIRECT
	}
	var st unix.Stat_t
	if unix.Fstat(direct, &st) != nil || identityOf(&st) != info.id {
		unix.Close(direct)
		return r
	}
	r.direct = direct
	return r
}

func (r *raw) aligned(p []byte, off int64) bool {
	return r.direct >= 0 && !r.noDirect.Load() && off%int64(r.align) == 0 && address(p)%pageSize == 0
}

func (r *raw) writeAt(p []byte, off int64) error {
	r.touch(off + int64(len(p)))
	if n := len(p) - len(p)%r.align; n > 0 && r.aligned(p, off) {
		_, err := transfer(unix.Pwrite, r.direct, p[:n], off)
		switch {
		case err == nil:
			p, off = p[n:], off+int64(n)
		case errors.Is(err, unix.EINVAL):
			r.noDirect.Store(true) // and once more below, through the cache
		default:
			return err
		}
	}
	n, err := transfer(unix.Pwrite, r.cached, p, off)
	if err == nil && n < len(p) {
		err = fmt.Errorf("only %d of %d bytes were taken", n, len(p))
	}
	return err
}

// touch raises the border of never written bytes to end.
func (r *raw) touch(end int64) {
	for old := r.fresh.Load(); end > old; old = r.fresh.Load() {
		if r.fresh.CompareAndSwap(old, end) {
			return
		}
	}
}

// transfer moves all of p by pread or pwrite. Fewer bytes without an error mean
// that the kernel moved none in the last call.
func transfer(call func(int, []byte, int64) (int, error), fd int, p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := call(fd, p[done:], off+int64(done))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return done, err
		}
		if n <= 0 {
			return done, nil
		}
		done += n
	}
	return done, nil
}

func (r *raw) readAt(p []byte, off int64) (int, error) {
	if r.direct < 0 || r.noDirect.Load() {
		return r.readCached(p, off)
	}
	done := 0
	if n := len(p) - len(p)%r.align; n > 0 && r.aligned(p, off) {
		got, err := r.readDirect(p[:n], off)
		if errors.Is(err, unix.EINVAL) {
			r.noDirect.Store(true)
			return r.readCached(p, off)
		}
		if err != nil || got < n {
			return got, err
		}
		done = n
	}
	for done < len(p) {
		n, err := r.readBounced(p[done:], off+int64(done))
		if errors.Is(err, unix.EINVAL) {
			r.noDirect.Store(true)
			n, err = r.readCached(p[done:], off+int64(done))
			return done + n, err
		}
		done += n
		if err != nil || n == 0 {
			return done, err
		}
	}
	return done, nil
}

// readDirect is one pass of aligned reads. A read that ends off the alignment
// has met the end: asking on from there is an error on some file systems.
func (r *raw) readDirect(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := unix.Pread(r.direct, p[done:], off+int64(done))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
		if n == 0 || n%r.align != 0 {
			break
		}
	}
	return done, nil
}

// readBounced reads the start of p, as much as a bounce buffer gives.
func (r *raw) readBounced(p []byte, off int64) (int, error) {
	b := r.bounce.Get().(*[]byte)
	defer r.bounce.Put(b)
	skip := int(off % int64(r.align))
	want := min((skip+len(p)+r.align-1)/r.align*r.align, len(*b))
	n, err := r.readDirect((*b)[:want], off-int64(skip))
	if err != nil || n <= skip {
		return 0, err
	}
	return copy(p, (*b)[skip:n]), nil
}

// readCached is the way without O_DIRECT: what is clean in the page cache is
// dropped first, so that the bytes come from the medium.
func (r *raw) readCached(p []byte, off int64) (int, error) {
	_ = unix.Fadvise(r.cached, off, int64(len(p)), unix.FADV_DONTNEED)
	n, err := transfer(unix.Pread, r.cached, p, off)
	_ = unix.Fadvise(r.cached, off, int64(len(p)), unix.FADV_DONTNEED)
	return n, err
}

func (r *raw) grow(size int64) error {
	if r.kind != File && r.kind != NewFile {
		return nil // a device's size was checked
	}
	var st unix.Stat_t
	if err := unix.Fstat(r.cached, &st); err != nil {
		return err
	}
	r.fresh.Store(st.Size)
	if st.Size >= size {
		return nil
	}
	return unix.Ftruncate(r.cached, size)
}

func (r *raw) sync() error {
	for {
		// On a device this also empties the disk's own write cache.
		if err := unix.Fsync(r.cached); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (r *raw) settle() {
	if r.kind == WholeDisk {
		// Best effort: loop devices without partition scanning refuse, and so
		// does a disk of which someone has opened a partition meanwhile. The
		// exclusive descriptor is needed: no other may scan while it is open.
		_ = unix.IoctlSetInt(r.cached, unix.BLKRRPART, 0)
	}
}

func (r *raw) close() error {
	err := unix.Close(r.cached)
	if r.direct >= 0 {
		err = errors.Join(err, unix.Close(r.direct))
	}
	return err
}

func (r *raw) zero(ctx context.Context, off, n int64) error {
	if r.kind == File || r.kind == NewFile {
		return r.zeroFile(ctx, off, n)
	}
	return r.zeroDevice(ctx, off, n)
}
