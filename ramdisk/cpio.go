package ramdisk

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// An entry is one file of the image.
type entry struct {
	path   string      // in the image, without a leading slash
	mode   os.FileMode // type and permissions
	target string      // of a symbolic link
	data   []byte      // of a file, if from is ""
	from   string      // file to read
	device uint32      // major<<8 | minor, of a character device
	kind   kind        // for the report
	origin string      // package or other source, for the report
}

// Bits of a mode in a cpio archive, those of stat(2).
const (
	modeDir    = 0o040000
	modeFile   = 0o100000
	modeLink   = 0o120000
	modeDevice = 0o020000
)

// writeCpio writes an archive of the form that the kernel unpacks ("newc":
// Documentation/driver-api/early-userspace/buffer-format.rst in its source), the
// same bytes for the same entries: sorted, everything root's, mtime everywhere.
func writeCpio(w io.Writer, entries []entry, mtime int64) error {
	b := bufio.NewWriterSize(w, 1<<20)
	c := &cpioWriter{w: b, mtime: mtime}
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b entry) int { return strings.Compare(a.path, b.path) })
	for i, e := range sorted {
		if i > 0 && sorted[i-1].path == e.path {
			return fmt.Errorf("%s is in the image twice", e.path)
		}
		if err := c.entry(e); err != nil {
			return err
		}
	}
	c.ino = -1
	c.header("TRAILER!!!", 0, 1, 0, 0)
	c.pad()
	if c.err != nil {
		return c.err
	}
	return b.Flush()
}

type cpioWriter struct {
	w     *bufio.Writer
	n     int64
	ino   int
	mtime int64
	err   error
}

func (c *cpioWriter) entry(e entry) error {
	perm := uint32(e.mode.Perm())
	if e.mode&os.ModeSticky != 0 {
		perm |= 0o1000
	}
	switch e.mode.Type() {
	case os.ModeDir:
		c.header(e.path, modeDir|perm, 2, 0, 0)
	case os.ModeSymlink:
		c.header(e.path, modeLink|0o777, 1, int64(len(e.target)), 0)
		c.write([]byte(e.target))
	case os.ModeDevice | os.ModeCharDevice:
		c.header(e.path, modeDevice|perm, 1, 0, e.device)
	case 0:
		if err := c.file(e, perm); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s: no place in the image for a file of type %v", e.path, e.mode.Type())
	}
	c.pad()
	return c.err
}

func (c *cpioWriter) file(e entry, perm uint32) error {
	data := e.data
	if e.from != "" {
		var err error
		if data, err = os.ReadFile(e.from); err != nil {
			return err
		}
	}
	const limit = 1<<32 - 1 // eight hexadecimal digits
	if int64(len(data)) > limit {
		return fmt.Errorf("%s is larger than 4 GiB", e.path)
	}
	c.header(e.path, modeFile|perm, 1, int64(len(data)), 0)
	c.write(data)
	return c.err
}

// header writes the fixed part and the name, padded.
func (c *cpioWriter) header(name string, mode uint32, links int, size int64, device uint32) {
	c.ino++
	mtime := c.mtime
	if mode == 0 {
		mtime = 0 // the trailer
	}
	c.write(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", c.ino, mode, 0, 0, links, mtime, size,
		0, 0, device>>8, device&0xff, len(name)+1, 0))
	c.write(append([]byte(name), 0))
	c.pad()
}

func (c *cpioWriter) write(p []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(p)
		c.n += int64(len(p))
	}
}

// pad fills up to the next multiple of four.
func (c *cpioWriter) pad() {
	if n := (4 - c.n%4) % 4; n > 0 {
		c.write(make([]byte, n))
	}
}
