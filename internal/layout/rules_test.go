// Package layout holds the shape of the source tree: which folder may import
// which. It has tests only. docs/design.md, "Layout", tells why.
package layout

import (
	"fmt"
	"slices"
	"strings"
)

// module is the path before every folder of ours.
const module = "github.com/pxecast/pxecast"

// layers is the tree from the bottom up. A folder imports from its own layer and
// those below. A folder that is new has to be given a place here first.
var layers = [][]string{
	{"protocol", "internal/blockset", "internal/hugepage", "internal/gate"},
	{"internal/image", "internal/fec", "internal/trust", "internal/disk", "internal/mcast", "internal/lane", "internal/querier", "internal/catalog", "internal/library", "internal/debian", "internal/screen", "internal/sdnotify"},
	{"sender", "receiver"},
	{"ramdisk", "internal/boot", "internal/web"},
	{"serve"},
	{"bench", "cmd"},
}

// only lists folders that import nothing but the standard library, themselves
// and what is named here.
var only = map[string][]string{
	"protocol":          {"github.com/cespare/xxhash/v2"},
	"internal/blockset": {},
	"internal/hugepage": {"golang.org/x/sys/unix"},
	"internal/gate":     {"github.com/pin/tftp/v3"},
	"internal/trust":    {module + "/protocol"},
	"internal/querier":  {"golang.org/x/sys/unix"},
	"internal/fec":      {module + "/protocol", "github.com/klauspost/reedsolomon"},
	"internal/lane":     {module + "/protocol", module + "/internal/blockset", module + "/internal/image", module + "/internal/gate", "github.com/pin/tftp/v3", "golang.org/x/sync/errgroup"},
}

// A file's imports, by the folder it is in ("" is the root of the module).
type file struct {
	folder  string
	name    string
	test    bool
	imports []string
}

// broken returns what in these files goes against the layout, a line each.
func broken(files []file) (faults []string) {
	for _, f := range files {
		for _, path := range f.imports {
			if why := forbidden(f, path); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", f.name, path, why))
			}
		}
	}
	return faults
}

// forbidden tells why a file may not import path; "" means that it may.
func forbidden(f file, path string) string {
	if path == "C" {
		return "the binary is static, without cgo"
	}
	target, ours := strings.CutPrefix(path, module+"/")
	switch {
	case ours && within(target, "cmd") && !within(f.folder, "cmd"):
		return "nobody imports cmd, it is flags and wiring only"
	case f.test:
		return "" // a test may set a scene from anywhere
	}
	from := root(f.folder)
	if allowed, ok := only[from]; ok && thirdPartyOrOurs(path) && !within(path, module+"/"+from) && !slices.Contains(allowed, path) {
		return from + " keeps to the standard library and " + strings.Join(append(allowed, "itself"), ", ")
	}
	if !ours {
		return ""
	}
	return upward(f.folder, from, target)
}

// upward holds an import of ours against the layers.
func upward(folder, from, target string) string {
	to := root(target)
	switch {
	case from == "":
		return folder + " has no place in the layout: give it one in internal/layout"
	case to == "":
		return target + " has no place in the layout: give it one in internal/layout"
	case within(target, "internal/mcast/simnet") && !within(folder, "internal/mcast/simnet") && from != "bench":
		return "simnet is for tests and simulations"
	case from == to:
		return ""
	case layer(to) > layer(from):
		return "imports point down, and " + to + " lies above " + from
	case to == "bench":
		return "nobody imports bench but bench and tests"
	case layer(to) == layer(from) && (from == "sender" || from == "receiver"):
		return "sender and receiver never import each other: what both need lies below them"
	}
	return ""
}

// root returns the folder of the layout that folder lies in.
func root(folder string) string {
	for _, l := range layers {
		for _, r := range l {
			if within(folder, r) {
				return r
			}
		}
	}
	return ""
}

func layer(root string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, root) })
}

func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// thirdPartyOrOurs reports whether path is outside the standard library, whose
// paths have no dot before the first slash.
func thirdPartyOrOurs(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return strings.Contains(first, ".")
}
