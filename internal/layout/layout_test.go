package layout

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const moduleRoot = "../.."

// sources reads the imports of every Go file of the module, for whichever
// system and architecture it is.
func sources(t *testing.T) (files []file) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(moduleRoot), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != "." && (base == "testdata" || base == "bin" || base[0] == '.' || base[0] == '_') {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		f := file{folder: path.Dir(name), name: name, test: strings.HasSuffix(name, "_test.go")}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 10 {
		t.Fatalf("found only %d Go files: is %s the root of the module?", len(files), moduleRoot)
	}
	return files
}

func TestImportsPointDown(t *testing.T) {
	for _, fault := range broken(sources(t)) {
		t.Error(fault)
	}
}

func TestNoFolderIsADrawer(t *testing.T) {
	for _, f := range sources(t) {
		for part := range strings.SplitSeq(f.folder, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc", "shared"}, part) {
				t.Errorf("%s: name the folder after what is in it", f.name)
			}
		}
	}
}

// Every module that a file imports or that go.mod names as a tool has its line
// in docs/dependencies.md, where it says why this one.
func TestEveryDependencyIsExplained(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(moduleRoot, "docs/dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var explained []string
	for _, m := range regexp.MustCompile("(?m)^- \\*\\*`?([^`*]+)`?\\*\\*").FindAllStringSubmatch(string(doc), -1) {
		explained = append(explained, m[1])
	}
	if len(explained) == 0 {
		t.Fatal("docs/dependencies.md has no line that starts with - **module path**")
	}
	missing := func(imported string) bool {
		return thirdPartyOrOurs(imported) && !within(imported, module) &&
			!slices.ContainsFunc(explained, func(m string) bool { return within(imported, m) })
	}
	reported := make(map[string]bool)
	for _, f := range sources(t) {
		for _, imported := range f.imports {
			if missing(imported) && !reported[imported] {
				t.Errorf("%s imports %s, which has no line in docs/dependencies.md", f.name, imported)
				reported[imported] = true
			}
		}
	}
	mod, err := os.ReadFile(filepath.Join(moduleRoot, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*tool\s+(\S+\.\S+)`).FindAllStringSubmatch(string(mod), -1) {
		if missing(m[1]) {
			t.Errorf("go.mod has the tool %s, which has no line in docs/dependencies.md", m[1])
		}
	}
}

// The rules themselves: what they must let through and what they must not.
func TestRules(t *testing.T) {
	for _, tt := range []struct {
		folder, imports string
		test            bool
		want            string // part of the fault, "" if none
	}{
		{"protocol", "encoding/binary", false, ""},
		{"protocol", "github.com/cespare/xxhash/v2", false, ""},
		{"protocol", "golang.org/x/sys/unix", false, "standard library"},
		{"protocol", module + "/internal/blockset", false, "standard library"},
		{"protocol", module + "/internal/image", false, "standard library"},
		{"internal/image", module + "/protocol", false, ""},
		{"internal/image/source", "github.com/ulikunitz/xz", false, ""},
		{"internal/lane", module + "/internal/image", false, ""},
		{"internal/disk", module + "/receiver", false, "lies above"},
		{"internal/mcast", module + "/bench/lab", false, "lies above"},
		{"internal/mcast", module + "/bench/lab", true, ""},
		{"sender", module + "/internal/fec", false, ""},
		{"sender", module + "/receiver", false, "never import each other"},
		{"receiver/collect", module + "/sender", false, "never import each other"},
		{"sender/scheduler", module + "/sender", false, ""},
		{"sender", module + "/internal/web", false, "lies above"},
		{"sender", module + "/receiver", true, ""},
		{"internal/web", module + "/sender", false, ""},
		{"ramdisk/menu", module + "/receiver", false, ""},
		{"cmd/pxecast", module + "/ramdisk", false, ""},
		{"cmd/pxecast", module + "/bench/lab", false, "nobody imports bench"},
		{"cmd/pxecast", module + "/cmd/pxecast/flags", false, ""},
		{"bench/demo", module + "/bench/lab", false, ""},
		{"bench/demo", module + "/cmd/pxecast", false, "nobody imports cmd"},
		{"bench", module + "/cmd/pxecast", true, "nobody imports cmd"},
		{"sender", module + "/internal/mcast/simnet", false, "simnet is for tests"},
		{"sender", module + "/internal/mcast/simnet", true, ""},
		{"internal/mcast", module + "/internal/mcast/simnet", false, "simnet is for tests"},
		{"bench/sim", module + "/internal/mcast/simnet", false, ""},
		{"internal/new", module + "/protocol", false, "no place in the layout"},
		{"sender", module + "/internal/new", false, "no place in the layout"},
		{"internal/disk", "C", false, "cgo"},
	} {
		faults := broken([]file{{tt.folder, tt.folder + "/x.go", tt.test, []string{tt.imports}}})
		switch {
		case tt.want == "" && len(faults) > 0:
			t.Errorf("refused: %s", faults[0])
		case tt.want != "" && (len(faults) != 1 || !strings.Contains(faults[0], tt.want)):
			t.Errorf("%s imports %s: faults %q, want one with %q", tt.folder, tt.imports, faults, tt.want)
		}
	}
}
