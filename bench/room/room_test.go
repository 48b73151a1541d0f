// Package room tests the program itself in the lab: one sender and its
// receivers as processes, each in a namespace of its own, over real sockets to
// real files.
package room

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/bench/lab"
)

// program is the path of the pxecast built for this test run.
var program string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "pxecast-room-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(folder, "pxecast")
	build := exec.Command("go", "build", "-o", program, "github.com/pxecast/pxecast/cmd/pxecast")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building pxecast: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// room is a lab with a sender at host 0 and receivers at the others.
type room struct {
	*testing.T
	ctx    context.Context
	lab    *lab.Lab
	folder string
	home   []string // environment of every process
}

func newRoom(t *testing.T, receivers int) *room {
	t.Helper()
	return newRoomIn(t, lab.Config{Hosts: receivers + 1})
}

func newRoomIn(t *testing.T, cfg lab.Config) *room {
	t.Helper()
	if err := lab.Available(); err != nil {
		t.Skipf("needs a lab: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	l, err := lab.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	folder := t.TempDir()
	return &room{T: t, ctx: ctx, lab: l, folder: folder, home: append(os.Environ(),
		"PXECAST_CACHE="+filepath.Join(folder, "cache"), "PXECAST_KEY="+filepath.Join(folder, "key"))}
}

// process is a pxecast at one host.
type process struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr bytes.Buffer
	done   chan struct{}
	peak   atomic.Int64 // bytes resident
	err    error
	begun  time.Time
	took   time.Duration
}

func (r *room) start(host int, args ...string) *process {
	r.Helper()
	p := &process{done: make(chan struct{}), begun: time.Now()}
	p.cmd = r.lab.Host(host).Command(r.ctx, program, args...)
	p.cmd.Env = r.home
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	if err := p.cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		p.cmd.Process.Kill() // fails when it has ended, as it should have
		<-p.done
	})
	go p.watch()
	go func() {
		p.err = p.cmd.Wait()
		p.took = time.Since(p.begun)
		close(p.done)
	}()
	return p
}

// code waits for the process and returns its exit code.
func (p *process) code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// rss returns the most memory that the process had resident, in bytes, but for
// what it did in its last moments.
func (p *process) rss() int64 {
	<-p.done
	return p.peak.Load()
}

// watch keeps track of the memory that the process has. Its resource usage does
// not tell: that begins with what this process has when it starts another.
func (p *process) watch() {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-look.C:
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
		if err != nil {
			continue
		}
		if _, after, ok := bytes.Cut(status, []byte("VmHWM:")); ok {
			var kb int64
			fmt.Sscan(string(after), &kb)
			p.peak.Store(kb << 10)
		}
	}
}

// record is the last line of --json.
type record struct {
	Event       string  `json:"event"`
	Error       string  `json:"error"`
	PackedBytes int64   `json:"packed_bytes"`
	SentPackets int64   `json:"sent_packets"`
	SentBytes   int64   `json:"sent_bytes"`
	RepairBytes int64   `json:"repair_bytes"`
	Seconds     float64 `json:"seconds"`
	Lost        int64   `json:"packets_lost"`
	Shed        int64   `json:"blocks_shed"`
	Rate        float64 `json:"mb_per_s"`
	Receivers   []struct {
		State string  `json:"state"`
		Error string  `json:"error"`
		Rate  float64 `json:"mb_per_s"`
		Lost  int64   `json:"packets_lost"`
		Shed  int64   `json:"blocks_shed"`
	} `json:"receivers"`
}

// last parses the last line that the process wrote.
func (r *room) last(p *process) (v record) {
	r.Helper()
	<-p.done
	lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		r.Fatalf("last line %q: %v\n%s", lines[len(lines)-1], err, p.stderr.String())
	}
	return v
}

// disk returns the path of receiver i's image file.
func (r *room) disk(i int) string { return filepath.Join(r.folder, fmt.Sprintf("disk%d", i)) }

// send starts the sender; receive starts the receiver at host i.
func (r *room) send(image string, args ...string) *process {
	return r.start(0, append([]string{"send", image, "--json", "--interface", "eth0"}, args...)...)
}

func (r *room) receive(i int, args ...string) *process {
	return r.start(i, append([]string{"receive", "--disk", r.disk(i), "--trust", "any", "--yes", "--json", "--interface", "eth0"}, args...)...)
}

// noise writes size incompressible bytes to a file.
func (r *room) noise(name string, size int64) string {
	r.Helper()
	path := filepath.Join(r.folder, name)
	f, err := os.Create(path)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{1}), size); err != nil {
		r.Fatal(err)
	}
	return path
}

// same checks that a disk holds the image. Where both have holes there is
// nothing to compare.
func (r *room) same(image, disk string) {
	r.Helper()
	a, err := os.Open(image)
	if err != nil {
		r.Fatal(err)
	}
	defer a.Close()
	b, err := os.Open(disk)
	if err != nil {
		r.Error(err)
		return
	}
	defer b.Close()
	size, got := length(a), length(b)
	if size != got {
		r.Errorf("%s has %d bytes, the image %d", disk, got, size)
		return
	}
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := data(a, b, 0); at < size; at = data(a, b, at) {
		n := min(int64(len(p)), size-at)
		if _, err := a.ReadAt(p[:n], at); err != nil {
			r.Fatal(err)
		}
		if _, err := b.ReadAt(q[:n], at); err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(p[:n], q[:n]) {
			r.Errorf("%s differs from the image between %d and %d", disk, at, at+n)
			return
		}
		at += n
	}
}

// length returns the size of a file in bytes.
func length(f *os.File) int64 {
	i, err := f.Stat()
	if err != nil {
		return -1
	}
	return i.Size()
}

// data returns where either file's data goes on from at, or its end.
func data(a, b *os.File, at int64) int64 {
	next := int64(1 << 62)
	for _, f := range []*os.File{a, b} {
		if to, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA); err == nil {
			next = min(next, to)
		}
	}
	return next
}
