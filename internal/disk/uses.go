package disk

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// uses fills in Mounts and Holders: who uses the device, a part of it, or, for
// a partition, the disk around it.
func (h host) uses(n node, info *Info) error {
	mounts, err := h.mounts()
	if err != nil {
		return err
	}
	loops := h.loops()
	seen := map[devno]bool{}
	var visit func(d node, holder bool)
	visit = func(d node, holder bool) {
		if seen[d.dev] {
			return
		}
		seen[d.dev] = true
		for _, where := range mounts[d.dev] {
			if d.dev != n.dev {
				where += " (" + d.title() + ")"
			}
			info.Mounts = append(info.Mounts, where)
		}
		if holder {
			info.Holders = append(info.Holders, d.title())
		}
		for _, l := range loops {
			if devnoOf(l.id.rdev) == d.dev && l.id.rdev != 0 && !seen[l.dev] {
				visit(l.node, true)
			}
		}
		for _, p := range d.parts(h) {
			visit(p, false)
		}
		for _, p := range d.holders(h) {
			visit(p, true)
		}
	}
	visit(n, false)
	if n.isPartition() {
		whole, err := n.disk(h)
		if err != nil {
			return err
		}
		// The disk alone, not its other partitions: they are neighbours.
		for _, where := range mounts[whole.dev] {
			info.Mounts = append(info.Mounts, where+" ("+whole.title()+")")
		}
		for _, p := range whole.holders(h) {
			visit(p, true)
		}
	}
	return nil
}

// mounts tells for each device where it is mounted or that it is swap, in this
// mount namespace. What other namespaces do with it, only O_EXCL tells.
func (h host) mounts() (map[devno][]string, error) {
	out := map[devno][]string{}
	f, err := os.Open(filepath.Join(h.proc, "self/mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // overlay mounts have very long lines
	for lines.Scan() {
		dev, source, where, ok := parseMount(lines.Text())
		if !ok {
			continue
		}
		add(out, dev, where)
		// Btrfs mounts have a number of their own: their source is the device.
		if d, ok := blockDevice(source); ok && d != dev {
			add(out, d, where)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for _, path := range h.swaps() {
		if d, ok := blockDevice(path); ok {
			add(out, d, "swap")
		}
	}
	return out, nil
}

func add(m map[devno][]string, d devno, where string) {
	for _, w := range m[d] {
		if w == where {
			return
		}
	}
	m[d] = append(m[d], where)
}

// parseMount reads a line of mountinfo, proc_pid_mountinfo(5):
// id parent major:minor root mountpoint options [optional…] - type source options
func parseMount(line string) (dev devno, source, where string, ok bool) {
	front, back, cut := strings.Cut(line, " - ")
	f, b := strings.Fields(front), strings.Fields(back)
	if !cut || len(f) < 6 || len(b) < 2 {
		return devno{}, "", "", false
	}
	dev, ok = parseDevno(f[2])
	return dev, unescape(b[1]), unescape(f[4]), ok
}

// unescape undoes the kernel's octal escapes of blanks (\040) in /proc files.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func blockDevice(path string) (devno, bool) {
	var st unix.Stat_t
	if !strings.HasPrefix(path, "/") || unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return devno{}, false
	}
	return devnoOf(st.Rdev), true
}

// swaps returns the paths of all swap areas, devices and files.
func (h host) swaps() []string {
	b, err := os.ReadFile(filepath.Join(h.proc, "swaps"))
	if err != nil {
		return nil // a kernel without swap
	}
	var paths []string
	for _, line := range strings.Split(string(b), "\n") {
		if f := strings.Fields(line); len(f) > 0 && strings.HasPrefix(f[0], "/") {
			paths = append(paths, unescape(f[0]))
		}
	}
	return paths
}

// loop is a loop device in use and what it stands on.
type loop struct {
	node
	id identity
}

func (h host) loops() []loop {
	var out []loop
	matches, _ := filepath.Glob(filepath.Join(globQuote(h.sys), "block/loop*/loop/backing_file"))
	for _, m := range matches {
		dir := filepath.Dir(filepath.Dir(m))
		id, _, err := identify(attribute(dir, "loop/backing_file"))
		if err != nil {
			continue // deleted, or in another mount namespace
		}
		if n, err := h.nodeAt(dir); err == nil {
			out = append(out, loop{n, id})
		}
	}
	return out
}

// usesFile fills in Mounts and Holders of an image file: loop devices and swap.
func (h host) usesFile(info *Info) error {
	mounts, err := h.mounts()
	if err != nil {
		return err
	}
	for _, l := range h.loops() {
		if l.id == info.id {
			info.Holders = append(info.Holders, l.title())
			for _, where := range mounts[l.dev] {
				info.Mounts = append(info.Mounts, where+" ("+l.title()+")")
			}
		}
	}
	for _, path := range h.swaps() {
		if id, _, err := identify(path); err == nil && id == info.id {
			info.Mounts = append(info.Mounts, "swap")
		}
	}
	return nil
}

// identify follows symbolic links.
func identify(path string) (identity, uint32, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return identity{}, 0, err
	}
	return identityOf(&st), st.Mode & unix.S_IFMT, nil
}

func identityOf(st *unix.Stat_t) identity {
	if st.Mode&unix.S_IFMT == unix.S_IFBLK {
		return identity{rdev: st.Rdev} // any node of the same device is the same disk
	}
	return identity{dev: st.Dev, ino: st.Ino}
}
