package library

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// A stamp recognises a state of a file.
type stamp struct {
	size, mtime, ctime int64 // bytes; ns since 1970
	ino, dev           uint64
}

// content is the part of a stamp that changes with what is in the file; ctime also
// does with its permissions and links.
func (s stamp) content() stamp {
	s.ctime = 0
	return s
}

func (s stamp) changed() time.Time { return time.Unix(0, s.ctime) }

// modified returns the zero time where there was no file to ask.
func (s stamp) modified() time.Time {
	if s == (stamp{}) {
		return time.Time{}
	}
	return time.Unix(0, s.mtime).UTC()
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{size: st.Size, mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(), ino: st.Ino, dev: uint64(st.Dev)}
}

// A glance is what one look at a place in the folder found.
type glance struct {
	file    string
	folder  bool
	fault   string // why there is nothing to read
	stamp   stamp
	opened  bool   // these are known:
	head    []byte // the first headSize bytes
	writing bool   // somebody has it open for writing
}

// look looks at what is called file in the folder. It opens it only if want says
// so: a rescan of a large library on a file server is then one stat each. ok is
// false when there is nothing any more.
func look(folder, file string, want func(stamp) bool) (g glance, ok bool) {
	g.file = file
	path := filepath.Join(folder, file)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		if _, lerr := os.Lstat(path); errors.Is(lerr, fs.ErrNotExist) {
			return g, false
		}
		g.fault = "can't be read: " + err.Error()
		if errors.Is(err, unix.ENOENT) {
			g.fault = "a link that leads nowhere"
		}
		return g, true
	}
	g.stamp = stampOf(&st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		g.folder = true
		return g, true
	case unix.S_IFREG:
	default:
		g.fault = "not a regular file"
		return g, true
	}
	if want(g.stamp) {
		g.open(path)
	}
	return g, true
}

// open reads the head of a regular file, and whether it is complete.
func (g *glance) open(path string) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err == unix.EWOULDBLOCK { // somebody holds a lease for writing
		g.opened, g.writing = true, true
		return
	}
	if err != nil {
		g.fault = "can't be read: " + err.Error()
		return
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	// Opening is what makes a client of NFS ask for the true size and times.
	var st unix.Stat_t
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err == nil || err == io.EOF {
		err = unix.Fstat(fd, &st)
	}
	if err != nil {
		g.fault = "can't be read: " + err.Error()
		return
	}
	g.stamp, g.head, g.opened, g.writing = stampOf(&st), head[:n], true, openForWriting(fd)
}

// openForWriting reports whether any process has the file open for writing: the
// kernel then gives no lease for reading (fcntl(2), F_SETLEASE). false also where
// leases can't be had: on many network file systems, and for files of others
// unless we have CAP_LEASE.
func openForWriting(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return err == unix.EAGAIN
}
