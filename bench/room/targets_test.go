package room

import (
	"crypto/sha256"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/bench/lab/labtest"
)

// TestTargetsRefused: what must not be written is refused with its reason, and
// nothing of it changes. Those that are fine are written.
func TestTargetsRefused(t *testing.T) {
	r := newRoom(t, 1)
	image := r.noise("disk.img", 8<<20)
	file := func(name string, size int64) string {
		t.Helper()
		path := filepath.Join(r.folder, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(r.ctx, name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	s := r.send(image, "--min-receivers", "99", "--max-wait", "2m")

	small := labtest.Loop(t, file("small", 4<<20), 512).Path()
	mounted := labtest.Loop(t, file("mounted", 64<<20), 512).Path()
	run("mkfs.ext4", "-q", mounted)
	at := t.TempDir()
	run("mount", "-o", "ro", mounted, at)
	t.Cleanup(func() { exec.Command("umount", at).Run() })
	held := labtest.Loop(t, file("held", 16<<20), 512).Path()
	f, err := os.OpenFile(held, os.O_RDWR|os.O_EXCL, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	readOnly := file("readonly", 16<<20)
	if err := os.Chmod(readOnly, 0o400); err != nil {
		t.Fatal(err)
	}
	good := labtest.Loop(t, file("good", 16<<20), 512).Path()
	tests := []struct {
		name, disk, says string
		args             []string
	}{
		{"too small", small, "small", nil},
		{"mounted", mounted, "mounted", nil},
		{"in use", held, "in use", nil},
		{"read-only", readOnly, "read-only", nil},
		{"not there", "/dev/nothing-here", "/dev/nothing-here", nil},
		{"a folder", at, "directory", nil},
		{"no --yes without a terminal", good, "--yes", []string{"--trust", "any"}},
		{"unknown key", good, "--trust", []string{"--yes"}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			before := digest(c.disk)
			args := c.args
			if args == nil {
				args = []string{"--trust", "any", "--yes"}
			}
			p := r.start(1, append([]string{"receive", "--disk", c.disk, "--interface", "eth0", "--max-wait", "30s"}, args...)...)
			if p.code() != 1 || !strings.Contains(p.stderr.String(), c.says) {
				t.Errorf("exit %d, want 1 and %q:\n%s", p.code(), c.says, p.stderr.String())
			}
			if digest(c.disk) != before {
				t.Errorf("%s was changed", c.disk)
			}
		})
	}
	s.cmd.Process.Kill()
	<-s.done

	t.Run("written", func(t *testing.T) {
		r := r.in(t)
		short := file("short", 1<<20)
		for _, disk := range []string{good, short, filepath.Join(r.folder, "new")} {
			s := r.send(image, "--max-wait", "1m", "--linger", "0s")
			p := r.start(1, "receive", "--disk", disk, "--interface", "eth0", "--max-wait", "1m", "--trust", "any", "--yes", "--verify")
			if p.code() != 0 || s.code() != 0 {
				t.Errorf("%s: %s\n%s", disk, p.stderr.String(), s.stderr.String())
				continue
			}
			if v := r.start(1, "verify", image, "--disk", disk); v.code() != 0 {
				t.Errorf("verify %s: %s", disk, v.stderr.String())
			}
			if disk != good {
				r.same(image, disk)
			}
		}
	})
}

// digest returns the SHA-256 of a file or device, empty when there is none.
func digest(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return string(h.Sum(nil))
}
