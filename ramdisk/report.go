package ramdisk

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// A Part is one kind of what the image holds.
type Part struct {
	Kind   string `json:"kind"`
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`  // in the machine's memory
	Packed int64  `json:"packed"` // on the wire
}

// A FileDigest describes a file of the tree.
type FileDigest struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Report tells what was built.
type Report struct {
	Codename        string // of the Debian release
	Kernel          string // version
	Parts           []Part
	Packages        []Package // what the image's files come from, the largest first
	KernelBytes     int64
	InitrdBytes     int64
	Files           map[string]FileDigest // of the tree, by path
	MissingFirmware []string              // what modules name and no package has
	RootReused      bool                  // no package was fetched
	Note            string                // what to know of the release, "" if nothing
	Seconds         float64
}

// addPart counts a kind that became n bytes.
func (r *Report) addPart(k kind, entries []entry, n int64) {
	p := Part{Kind: string(k), Packed: n}
	for _, e := range entries {
		size := int64(len(e.data))
		if e.from != "" {
			if info, err := os.Stat(e.from); err == nil {
				size = info.Size()
			}
		}
		if !e.mode.IsDir() {
			p.Files++
			p.Bytes += size
			r.count(e.origin, size)
		}
	}
	r.Parts = append(r.Parts, p)
}

func (r *Report) count(origin string, size int64) {
	i := slices.IndexFunc(r.Packages, func(p Package) bool { return p.Name == origin })
	if i < 0 {
		i = len(r.Packages)
		r.Packages = append(r.Packages, Package{Name: origin})
	}
	r.Packages[i].Files++
	r.Packages[i].Bytes += size
}

// describe fills in what is known when the tree is complete.
func (b *builder) describe(tree string) error {
	r := &b.report
	r.Kernel = b.kernel
	r.Files = make(map[string]FileDigest)
	err := fs.WalkDir(os.DirFS(tree), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		r.Files[name], err = digest(filepath.Join(tree, name))
		return err
	})
	r.KernelBytes, r.InitrdBytes = r.Files["vmlinuz"].Bytes, r.Files["initrd.img"].Bytes
	for _, p := range b.notes.packages {
		i := slices.IndexFunc(r.Packages, func(q Package) bool { return q.Name == p.Name })
		if i >= 0 {
			r.Packages[i].Version = p.Version
		} else if b.picked(p.Name) {
			r.Packages = append(r.Packages, p) // a boot loader's
		}
	}
	r.Packages = slices.DeleteFunc(r.Packages, func(p Package) bool { return p.Name == "" })
	slices.SortFunc(r.Packages, func(a, b Package) int { return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name)) })
	return err
}
