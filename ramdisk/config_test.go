package ramdisk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseFile(t *testing.T) {
	for text, want := range map[string]File{
		"motd:/etc/motd":      {"motd", "/etc/motd"},
		"./a/b:/etc/../opt/b": {"./a/b", "/opt/b"},
		"/etc/motd":           {"/etc/motd", "/etc/motd"},
	} {
		if got, err := ParseFile(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", ":/etc/motd", "motd:", "motd:etc/motd", "motd:/", "motd:/a/.."} {
		if got, err := ParseFile(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func TestConfigIsCheckedBeforeAnythingIsDone(t *testing.T) {
	if err := (Config{}).Check(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	for want, c := range map[string]Config{
		"package":           {Packages: []string{"a; reboot"}},
		"package \"-o":      {Packages: []string{"-oDir=/"}},
		"suite":             {Suite: "../x"},
		"keymap":            {Keymap: "../../etc/passwd"},
		"locale":            {Locale: "de_DE.UTF-8; reboot"},
		"serial speed":      {SerialSpeed: 115201},
		"SOURCE_DATE_EPOCH": {Epoch: 1 << 32},
	} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want one line about %s", c, err, want)
		}
	}
}

func TestBinaryThatWouldNotRunIsRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{text: "not a program", "/nonexistent": "no such file", "/bin/ls": "make build"} {
		if err := checkBinary(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

// What is asked of root.tar decides whether the kept one is taken.
func TestRootKeyFollowsWhatRootHolds(t *testing.T) {
	base := Config{}
	base.defaults()
	same := Config{Keymap: "de", Files: []File{{"a", "/a"}}, NoShell: true, Locale: "C"}
	same.defaults()
	if rootKey(&base) != rootKey(&same) {
		t.Error("settings that are not in root.tar change its key")
	}
	for _, c := range []Config{{Suite: "sid"}, {Packages: []string{"mdadm"}}, {Locale: "de_DE.UTF-8"}} {
		c.defaults()
		if rootKey(&base) == rootKey(&c) {
			t.Errorf("%+v would take the root.tar of another", c)
		}
	}
}
