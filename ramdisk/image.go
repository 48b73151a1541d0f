package ramdisk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A kind is a part of the ramdisk: one compressed archive of its own in the
// image, so that a change in one leaves the others as they were, and the report
// can say what each takes on the wire.
type kind string

const (
	kindModules  kind = "kernel modules"
	kindFirmware kind = "firmware"
	kindPrograms kind = "programs"
	kindExtra    kind = "extra packages"
	kindPxecast  kind = "pxecast"
	kindSettings kind = "settings"
)

// kinds in the order in which they are in the image; what comes later replaces.
var kinds = []kind{kindModules, kindFirmware, kindPrograms, kindExtra, kindPxecast, kindSettings}

// An image collects the ramdisk's files, each once per kind.
type image struct {
	root    string // folder with the unstripped root
	owner   map[string]string
	entries map[kind]map[string]entry
}

func newImage(root string, owner map[string]string) *image {
	return &image{root: root, owner: owner, entries: make(map[kind]map[string]entry)}
}

// add puts one file in, and the folders it is in. A file that is there already
// stays as it is.
func (m *image) add(e entry) {
	e.path = strings.TrimPrefix(path.Clean(e.path), "/")
	of := m.entries[e.kind]
	if of == nil {
		of = make(map[string]entry)
		m.entries[e.kind] = of
	}
	if _, there := of[e.path]; there {
		return
	}
	of[e.path] = e
	if dir := path.Dir(e.path); dir != "." {
		m.add(entry{path: dir, mode: fs.ModeDir | folderMode(dir), kind: e.kind})
	}
}

// folderMode returns the permissions of a folder.
func folderMode(dir string) fs.FileMode {
	switch dir {
	case "root":
		return 0o700
	case "tmp":
		return 0o777 | fs.ModeSticky
	}
	return 0o755
}

// list returns the entries of a kind, in no order.
func (m *image) list(k kind) []entry {
	list := make([]entry, 0, len(m.entries[k]))
	for _, e := range m.entries[k] {
		list = append(list, e)
	}
	return list
}

// take puts in the file that the unstripped root has at path, with what it links
// to. It returns the path that the file has once links are followed.
func (m *image) take(p string, k kind) (real string, err error) {
	for range 16 {
		if p, err = m.resolveDir(p); err != nil {
			return "", err
		}
		info, err := os.Lstat(filepath.Join(m.root, p))
		if err != nil {
			return "", err
		}
		e := entry{path: p, mode: info.Mode() & (fs.ModeType | fs.ModePerm), kind: k, origin: m.owner[p]}
		switch info.Mode().Type() {
		case 0:
			e.from = filepath.Join(m.root, p)
			e.mode &= fs.ModePerm // nothing in the ramdisk needs set-user-id
			m.add(e)
			return p, nil
		case fs.ModeDir:
			m.add(e)
			return p, nil
		case fs.ModeSymlink:
			if e.target, err = os.Readlink(filepath.Join(m.root, p)); err != nil {
				return "", err
			}
			m.add(e)
			p = joinLink(p, e.target)
		default:
			return "", fmt.Errorf("%s: a package has a file of type %v", p, info.Mode().Type())
		}
	}
	return "", fmt.Errorf("%s: too many links", p)
}

func joinLink(link, target string) string {
	if path.IsAbs(target) {
		return path.Clean(target)
	}
	return path.Join(path.Dir(link), target)
}

// resolveDir follows the links on the way to a file within the root, /bin and
// /lib for example, but not the file itself. Nothing leads out of the root.
func (m *image) resolveDir(p string) (string, error) {
	p = path.Clean("/" + p)
	done := "/"
	rest := strings.Split(strings.TrimPrefix(p, "/"), "/")
	for links := 0; len(rest) > 1; {
		next := path.Join(done, rest[0])
		info, err := os.Lstat(filepath.Join(m.root, next))
		if err != nil {
			return "", err
		}
		if info.Mode().Type() != fs.ModeSymlink {
			done, rest = next, rest[1:]
			continue
		}
		if links++; links > 16 {
			return "", fmt.Errorf("%s: too many links", p)
		}
		target, err := os.Readlink(filepath.Join(m.root, next))
		if err != nil {
			return "", err
		}
		to := joinLink(next, target)
		rest = append(strings.Split(strings.TrimPrefix(to, "/"), "/"), rest[1:]...)
		done = "/"
	}
	return path.Join(done, rest[0]), nil
}

// has reports whether the unstripped root has a file at path.
func (m *image) has(p string) bool {
	p, err := m.resolveDir(p)
	if err != nil {
		return false
	}
	_, err = os.Lstat(filepath.Join(m.root, p))
	return !errors.Is(err, fs.ErrNotExist)
}
