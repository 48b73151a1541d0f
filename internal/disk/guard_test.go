package disk

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sys/unix"
)

// refused wants that Check and Open refuse path for an image of size bytes, for
// the reason given and with words in the text, and that nothing is touched.
func refused(t *testing.T, path string, size int64, reason error, words ...string) {
	t.Helper()
	before := look(path)
	_, checked := Check(path, size)
	tgt, opened := Open(path, size)
	if opened == nil {
		tgt.Close()
	}
	for call, err := range map[string]error{"Check": checked, "Open": opened} {
		if !errors.Is(err, reason) {
			t.Errorf("%s(%s): %v, want %q", call, path, err, reason)
			continue
		}
		for _, w := range append(words, path) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s(%s): text %q lacks %q", call, path, err, w)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s(%s): more than a line: %q", call, path, err)
		}
	}
	if after := look(path); after != before {
		t.Errorf("%s was touched: %v before, %v after", path, before, after)
	}
}

type sight struct {
	err     error
	size    int64
	mtime   unix.Timespec
	content uint64 // of the first MiB
}

func look(path string) (s sight) {
	var st unix.Stat_t
	if s.err = unix.Stat(path, &st); s.err != nil {
		return s
	}
	s.size, s.mtime = st.Size, st.Mtim
	if m := st.Mode & unix.S_IFMT; m == unix.S_IFREG || m == unix.S_IFBLK {
		if f, err := os.Open(path); err == nil {
			defer f.Close()
			b := make([]byte, 1<<20)
			n, _ := f.ReadAt(b, 0)
			s.content = xxhash.Sum64(b[:n])
		}
	}
	return s
}

func TestRefusedPaths(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	must(t, os.Symlink(in("nowhere"), in("dangling")))
	must(t, unix.Mkfifo(in("fifo"), 0o644))
	socket, err := net.Listen("unix", in("socket"))
	must(t, err)
	defer socket.Close()
	must(t, os.WriteFile(in("marked"), []byte("precious"), 0o444))
	must(t, os.WriteFile(in("plain"), []byte("precious"), 0o644))

	refused(t, "", 4096, ErrNotFound)
	refused(t, "/dev/sdzz", 4096, ErrNotFound, "no such disk")
	refused(t, "/dev/disk/by-nothing/x", 4096, ErrNotFound, "no such disk")
	refused(t, "/dev/../dev/sdzz", 4096, ErrNotFound, "no such disk")
	refused(t, in("missing/file"), 4096, ErrNotFound, "folder")
	refused(t, in("plain/file"), 4096, ErrNotFound)
	refused(t, in("dangling"), 4096, ErrNotFound, in("nowhere"))
	refused(t, folder, 4096, ErrDirectory)
	refused(t, folder+"/new/", 4096, ErrDirectory)
	refused(t, "/dev", 4096, ErrDirectory)
	refused(t, "/dev/null", 4096, ErrNotDisk, "character device")
	refused(t, "/dev/tty", 4096, ErrNotDisk, "character device")
	refused(t, in("fifo"), 4096, ErrNotDisk, "named pipe")
	refused(t, in("socket"), 4096, ErrNotDisk, "socket")
	refused(t, in("marked"), 4096, ErrReadOnly)
	for _, size := range []int64{0, -1} {
		if _, err := Open(in("plain"), size); err == nil {
			t.Errorf("Open for an image of %d bytes succeeded", size)
		}
	}
	if entries, _ := os.ReadDir(folder); len(entries) != 5 {
		t.Errorf("something was created: %v", entries)
	}
}

// A misspelt disk must not become a file in /dev, nor be written as one.
func TestNoFilesInDev(t *testing.T) {
	needRoot(t)
	f, err := os.CreateTemp("/dev", "pxecast-test-")
	must(t, err)
	t.Cleanup(func() { os.Remove(f.Name()) })
	must(t, f.Close())
	refused(t, f.Name(), 4096, ErrNotDisk, "regular file in /dev")
}

func TestMissingDiskNamesTheOthers(t *testing.T) {
	disks, err := List()
	must(t, err)
	_, err = Check("/dev/sdzz", 4096)
	for _, d := range disks {
		if !strings.Contains(err.Error(), d.Path) {
			t.Errorf("%q does not name %s", err, d.Path)
		}
	}
}

func TestReadOnlyFileSystem(t *testing.T) {
	needRoot(t)
	folder := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "tmpfs", folder)
	t.Cleanup(func() { run(t, "umount", folder) })
	must(t, os.WriteFile(folder+"/file", []byte("precious"), 0o644))
	run(t, "mount", "-o", "remount,ro", folder)
	refused(t, folder+"/file", 4096, ErrReadOnly)
	refused(t, folder+"/new", 4096, ErrReadOnly)
}

func TestDeviceTooSmall(t *testing.T) {
	dev, _ := loopDevice(t, 1<<20, 512)
	refused(t, dev, 1<<20+1, ErrTooSmall, "1048577 bytes", "1048576 bytes")
	info, err := Check(dev, 1<<20)
	must(t, err)
	if info.Contents != "blank" || info.Kind != WholeDisk || info.Size != 1<<20 || info.LogicalSector != 512 {
		t.Errorf("info %+v", info)
	}
}

func TestReadOnlyDevice(t *testing.T) {
	dev, _ := loopDevice(t, 1<<20, 512, "-r")
	refused(t, dev, 4096, ErrReadOnly)
}

func TestMountedDevice(t *testing.T) {
	dev, file := loopDevice(t, 8<<20, 512)
	run(t, "mkfs.ext4", "-q", dev)
	if info, err := Check(dev, 4096); err != nil || info.Contents != "ext file system" {
		t.Errorf("%v, %v", info, err)
	}
	where := filepath.Join(t.TempDir(), "a place")
	must(t, os.Mkdir(where, 0o755))
	run(t, "mount", "-o", "ro", dev, where) // ext4 writes by itself otherwise
	t.Cleanup(func() { run(t, "umount", where) })
	refused(t, dev, 4096, ErrMounted, where)
	refused(t, file, 4096, ErrMounted, where)
	link := filepath.Join(t.TempDir(), "by-id")
	must(t, os.Symlink(dev, link))
	refused(t, link, 4096, ErrMounted, where)
	info, _ := Check(dev, 4096)
	if len(info.Mounts) != 1 || info.Mounts[0] != where {
		t.Errorf("mounts %q", info.Mounts)
	}
	r, err := OpenReadOnly(dev) // looking is allowed
	must(t, err)
	must(t, r.ReadBlock(0, AlignedBuffer(4096)))
	must(t, r.Close())
}

// The disk this test runs from.
func TestSystemDisk(t *testing.T) {
	var st unix.Stat_t
	must(t, unix.Stat("/", &st))
	n, err := thisMachine().node(devnoOf(st.Dev))
	if err != nil {
		t.Skip("the root file system is on no disk:", err)
	}
	info := Info{Path: "/dev/" + n.name, Device: "/dev/" + n.name, id: identity{rdev: st.Dev}}
	info, err = thisMachine().inspectDevice(info)
	must(t, err)
	if err := info.guard(4096); !errors.Is(err, ErrMounted) {
		t.Errorf("guard: %v", err)
	}
}

func TestSwap(t *testing.T) {
	dev, file := loopDevice(t, 8<<20, 512)
	run(t, "mkswap", dev)
	run(t, "swapon", dev)
	t.Cleanup(func() { run(t, "swapoff", dev) })
	refused(t, dev, 4096, ErrMounted, "swap")
	refused(t, file, 4096, ErrMounted, "swap")
}

func TestPartitions(t *testing.T) {
	dev, _ := loopDevice(t, 16<<20, 512, "-P")
	run(t, "addpart", dev, "1", "2048", "16384") // 8 MiB at 1 MiB
	run(t, "addpart", dev, "2", "18432", "8192") // 4 MiB behind it
	one, two := dev+"p1", dev+"p2"
	run(t, "mkfs.ext4", "-q", one)
	where := t.TempDir()
	run(t, "mount", "-o", "ro", one, where)
	t.Cleanup(func() { run(t, "umount", where) })

	refused(t, dev, 4096, ErrMounted, where, filepath.Base(one))
	refused(t, one, 4096, ErrMounted, where)

	// A neighbour is not touched by what happens to the other one.
	info, err := Check(two, 4<<20)
	must(t, err)
	if info.Kind != Partition || info.Parent != dev || info.Size != 4<<20 || info.LogicalSector != 512 {
		t.Errorf("info %+v", info)
	}
	if !strings.Contains(info.String(), "partition of "+dev) {
		t.Errorf("%q does not say that it is a partition", info)
	}
	image := noise(random(t), 4<<20)
	tgt, err := Open(two, 4<<20)
	must(t, err)
	defer tgt.Close()
	writeAll(t, tgt, image)
	must(t, tgt.Finish())
	readBack(t, tgt, image)
	refused(t, two, 4096, ErrInUse)
}

func TestDeviceInUse(t *testing.T) {
	dev, file := loopDevice(t, 1<<20, 512)
	tgt, err := Lock(dev, 1<<20)
	must(t, err)
	refused(t, dev, 4096, ErrInUse)
	refused(t, file, 4096, ErrInUse, filepath.Base(dev))
	must(t, tgt.Close())
	_, err = Check(dev, 4096)
	must(t, err)

	other := attach(t, dev) // a loop device on the loop device
	refused(t, dev, 4096, ErrInUse, filepath.Base(other))
}

// While a target is ours, nobody can mount it.
func TestTargetCannotBeMounted(t *testing.T) {
	dev, _ := loopDevice(t, 8<<20, 512)
	run(t, "mkfs.ext4", "-q", dev)
	tgt, err := Lock(dev, 1<<20)
	must(t, err)
	defer tgt.Close()
	where := t.TempDir()
	if err := unix.Mount(dev, where, "ext4", 0, ""); !errors.Is(err, unix.EBUSY) {
		t.Errorf("mount: %v, want EBUSY", err)
		_ = unix.Unmount(where, 0)
	}
}

func TestFileInUse(t *testing.T) {
	places(t, func(t *testing.T, folder string) {
		path := filepath.Join(folder, "file")
		tgt, err := Open(path, 1<<20)
		must(t, err)
		refused(t, path, 1<<20, ErrInUse, "another receiver")
		must(t, tgt.Close())
		_, err = Check(path, 1<<20)
		must(t, err)

		machine, err := os.Open(path) // QEMU locks bytes of an image that it runs
		must(t, err)
		defer machine.Close()
		lock := unix.Flock_t{Type: unix.F_RDLCK, Start: 100, Len: 1}
		must(t, unix.FcntlFlock(machine.Fd(), unix.F_OFD_SETLK, &lock))
		refused(t, path, 1<<20, ErrInUse, "virtual machine")
	})
}

func TestSystemCallErrorsBecomeAdvice(t *testing.T) {
	for errno, reason := range map[unix.Errno]error{
		unix.EACCES: ErrPermission, unix.EROFS: ErrReadOnly, unix.EPERM: ErrReadOnly,
		unix.EBUSY: ErrInUse, unix.ENOMEDIUM: ErrNotFound, unix.ENXIO: ErrNotFound,
	} {
		if err := cause("/dev/sdx", "open", errno); !errors.Is(err, reason) || !strings.Contains(err.Error(), "/dev/sdx") {
			t.Errorf("%v becomes %v", errno, err)
		}
	}
	for _, errno := range []unix.Errno{unix.EIO, unix.ENOSPC, unix.ENODEV, unix.EFBIG} {
		err := &Error{"write", "/dev/sdx", 512, errno}
		if !strings.HasPrefix(err.Error(), "write /dev/sdx at byte 512: "+errno.Error()+": ") {
			t.Errorf("text %q", err)
		}
	}
}
