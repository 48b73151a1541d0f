package machines

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

// run is what all tests of a run share: the program, the image, and a folder for
// both that goes at the end.
var run struct {
	folder  string
	program string
	image   func() (disks.Disk, error) // these are made when they are wanted
	raw     func() (string, error)     // the image unpacked
	packed  func() (string, error)     // the packed image
	boot    func() (string, error)     // the boot folder
}

func TestMain(m *testing.M) {
	code, err := all(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func all(m *testing.M) (code int, err error) {
	if run.folder, err = os.MkdirTemp("", "pxecast-machines-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(run.folder)
	run.program = filepath.Join(run.folder, "pxecast")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", run.program, "github.com/pxecast/pxecast/cmd/pxecast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("building pxecast: %w\n%s", err, out)
	}
	run.image, run.raw = sync.OnceValues(makeImage), sync.OnceValues(unpack)
	run.packed, run.boot = sync.OnceValues(pack), sync.OnceValues(makeBoot)
	return m.Run(), nil
}

// room is a lab with a server's host, a host for another DHCP server, and
// machines.
type room struct {
	*testing.T
	ctx    context.Context
	lab    *lab.Lab
	folder string
}

// newRoom makes an empty room, which has to be through in the given time. What all
// rooms share is made before, and does not count.
func newRoom(t *testing.T, within time.Duration) *room {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	for _, make := range []func() (string, error){run.raw, run.packed, run.boot} {
		if _, err := make(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return &room{T: t, ctx: ctx, lab: labtest.New(t, lab.Config{Hosts: 2}), folder: t.TempDir()}
}

// on switches a machine on. When the test fails, the end of its serial line is in
// the test's output.
func (r *room) on(cfg Config) *machine {
	r.Helper()
	tap, err := r.lab.AddTap(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	m, err := Start(r.ctx, tap, r.folder, cfg)
	if err != nil {
		r.Fatal(err)
	}
	return r.watched(m)
}

func (r *room) watched(m *Machine) *machine {
	r.Cleanup(func() {
		m.Kill()
		if r.Failed() {
			r.Logf("the last lines of %s:\n%s", m.Config.Name, m.Tail(60))
		}
	})
	return &machine{m, r}
}

// machine is a machine of a room, whose failures end the test.
type machine struct {
	*Machine
	room *room
}

// sees waits for a pattern on the serial line and returns what matched.
func (m *machine) sees(pattern string) string {
	m.room.Helper()
	got, err := m.WaitFor(m.room.ctx, pattern)
	if err != nil {
		m.room.Fatalf("%s: %v", m.Config.Name, err)
	}
	return got
}

// types sends keys.
func (m *machine) types(keys string) {
	m.room.Helper()
	if err := m.Type(keys); err != nil {
		m.room.Fatalf("%s: %v", m.Config.Name, err)
	}
}

// ends waits until the machine is off, for this reason.
func (m *machine) ends(want string) {
	m.room.Helper()
	if why, err := m.Off(m.room.ctx); err != nil || why != want {
		m.room.Fatalf("%s went off by %q (%v), want %q; its last lines:\n%s", m.Config.Name, why, err, want, m.Tail(60))
	}
}

// again switches the machine on again.
func (m *machine) again(change func(*Config)) *machine {
	m.room.Helper()
	next, err := m.Restart(m.room.ctx, change)
	if err != nil {
		m.room.Fatal(err)
	}
	return m.room.watched(next)
}

// fromDisk is a change: it boots from its disk, with the network left out.
func fromDisk(cfg *Config) { cfg.Boot = Local }

// up logs how long after power-on something is reached.
func (m *machine) up(what string) {
	m.room.Helper()
	m.room.Logf("%-12s %6.1f s to %s (%s, %d MiB)", m.Config.Name, time.Since(m.Since).Seconds(), what, m.Config.Firmware, cmp.Or(m.Config.Memory, defaultMemory))
}

// disk makes an empty disk.
func (r *room) disk(name string, size int64) string {
	r.Helper()
	path := filepath.Join(r.folder, name+".disk")
	f, err := os.Create(path)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		r.Fatal(err)
	}
	return path
}

// imaged makes a disk that holds the image already.
func (r *room) imaged(name string) string {
	r.Helper()
	raw, err := run.raw()
	if err != nil {
		r.Fatal(err)
	}
	path := filepath.Join(r.folder, name+".disk")
	if out, err := exec.CommandContext(r.ctx, "cp", "--sparse=always", raw, path).CombinedOutput(); err != nil {
		r.Fatalf("cp: %v: %s", err, out)
	}
	return path
}

// image returns the image, which is made when it is the first time.
func (r *room) image() disks.Disk {
	r.Helper()
	image, err := run.image()
	if err != nil {
		r.Fatal(err)
	}
	return image
}

// digest is the SHA-256 of the first size bytes of a disk.
func (r *room) digest(path string, size int64) string {
	r.Helper()
	f, err := os.Open(path)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.CopyN(sum, f, size); err != nil {
		r.Fatal(err)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// holdsImage compares a disk with the image.
func (r *room) holdsImage(path string) {
	r.Helper()
	image := r.image()
	if got := r.digest(path, image.RawSize); got != image.SHA256 {
		r.Fatalf("%s does not hold the image: its SHA-256 is %s, the image's %s", filepath.Base(path), got, image.SHA256)
	}
}
