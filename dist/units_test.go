// Package dist has what a distribution installs beside the binary. It has tests
// only.
package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tool returns a command of systemd's that needs no systemd to run.
func tool(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath(args[0])
	if err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	return exec.CommandContext(t.Context(), path, args[1:]...)
}

// units copies the units to where the binary that they name is this test.
func units(t *testing.T) (paths []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files, err := filepath.Glob("*.service")
	if err != nil || len(files) != 2 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, file)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/pxecast", self)), 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestUnits(t *testing.T) {
	paths := units(t)
	cmd := tool(t, append([]string{"systemd-analyze", "verify", "--man=no"}, paths...)...)
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+filepath.Dir(paths[0])+":")
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// The service listens to a network: what systemd calls exposed is at most 2.5 of 10,
// half of which is that it needs the network at all.
func TestServiceHasLeastPrivilege(t *testing.T) {
	for _, path := range units(t) {
		if filepath.Base(path) != "pxecast.service" {
			continue
		}
		out, err := tool(t, "systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=25", path).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
}

func TestUser(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs("pxecast.sysusers")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := tool(t, "systemd-sysusers", "--root="+root, file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	users, err := os.ReadFile(filepath.Join(root, "etc/passwd"))
	if err != nil || !strings.HasPrefix(string(users), "pxecast:x:") {
		t.Errorf("%s, %v", users, err)
	}
}
