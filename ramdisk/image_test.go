package ramdisk

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rootWith makes a folder with files (contents) and links ("->target").
func rootWith(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(files[name], "->"); link {
			err = os.Symlink(target, p)
		} else {
			err = os.WriteFile(p, []byte(files[name]), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func paths(m *image, k kind) []string { return slices.Sorted(maps.Keys(m.entries[k])) }

func TestTakeFollowsLinksWithinTheRoot(t *testing.T) {
	root := rootWith(t, map[string]string{
		"bin": "->usr/bin", "usr/bin/awk": "->/etc/alternatives/awk", "etc/alternatives/awk": "->../../usr/bin/mawk", "usr/bin/mawk": "x",
	})
	m := newImage(root, map[string]string{"/usr/bin/mawk": "mawk"})
	real, err := m.take("/bin/awk", kindPrograms)
	if err != nil || real != "/usr/bin/mawk" {
		t.Fatalf("%s, %v", real, err)
	}
	want := []string{"etc", "etc/alternatives", "etc/alternatives/awk", "usr", "usr/bin", "usr/bin/awk", "usr/bin/mawk"}
	if got := paths(m, kindPrograms); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if e := m.entries[kindPrograms]["usr/bin/mawk"]; e.origin != "mawk" || e.from != filepath.Join(root, "usr/bin/mawk") {
		t.Errorf("got %+v", e)
	}
}

// A link of a package's never makes a file of the building machine part of the
// image.
func TestTakeNeverLeavesTheRoot(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := newImage(rootWith(t, map[string]string{
		"a": "->" + outside, "b": "->../../../../../.." + outside, "c": "->" + filepath.Dir(outside), "loop": "->loop", "x/y": "->../x/y/z",
	}), nil)
	for _, p := range []string{"/a", "/b", "/c/secret", "/../../.." + outside, "/loop", "/x/y/z"} {
		if real, err := m.take(p, kindPrograms); err == nil {
			t.Errorf("%s became %s", p, real)
		}
	}
	for name, e := range m.entries[kindPrograms] {
		if e.from != "" {
			t.Errorf("%s comes from %s", name, e.from)
		}
	}
}

func TestSetUserIDIsLeftOut(t *testing.T) {
	root := rootWith(t, map[string]string{"usr/bin/mount": "x"})
	if err := os.Chmod(filepath.Join(root, "usr/bin/mount"), 0o755|fs.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	m := newImage(root, nil)
	if _, err := m.take("/usr/bin/mount", kindPrograms); err != nil {
		t.Fatal(err)
	}
	if got := m.entries[kindPrograms]["usr/bin/mount"].mode; got != 0o755 {
		t.Errorf("mode %v", got)
	}
}

func TestExtraFilesGoOverWhatIsThere(t *testing.T) {
	folder := rootWith(t, map[string]string{"motd": "hello", "d/e": "x", "link": "->motd"})
	b := &builder{Config: Config{Files: []File{{folder, "/etc"}, {filepath.Join(folder, "motd"), "/lib/motd"}}}, image: newImage(t.TempDir(), nil)}
	b.image.add(entry{path: "etc/motd", mode: 0o644, data: []byte("old"), kind: kindSettings})
	if err := b.addFiles(); err != nil {
		t.Fatal(err)
	}
	want := []string{"etc", "etc/d", "etc/d/e", "etc/link", "etc/motd", "usr", "usr/lib", "usr/lib/motd"}
	if got := paths(b.image, kindSettings); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if e := b.image.entries[kindSettings]["etc/motd"]; e.from == "" {
		t.Errorf("etc/motd is still %+v", e)
	}
}
