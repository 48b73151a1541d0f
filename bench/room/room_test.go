// Package room tests the program itself in the lab: one sender and its
// receivers as processes, each in a namespace of its own, over real sockets to
// real files.
package room

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/protocol"
)

// program is the path of the pxecast built for this test run.
var program string

func TestMain(m *testing.M) {
	if lie := os.Getenv(asLiar); lie != "" {
		if err := liar(lie); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// What is parallel here waits rather than computes. What compares times, or
	// counts what a busy machine loses, is not parallel.
	flag.Parse()
	flag.Set("test.parallel", "6")
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

// in is the same room in a subtest.
func (r *room) in(t *testing.T) *room {
	same := *r
	same.T = t
	return &same
}

// wire limits what the sender's host can send, in Mbit/s.
func (r *room) wire(mbit float64) {
	r.Helper()
	if err := r.lab.Host(0).SetRate(mbit); err != nil {
		r.Fatal(err)
	}
}

// process is a program at one host.
type process struct {
	cmd    *exec.Cmd
	stdout output
	stderr output
	done   chan struct{}
	peak   atomic.Int64 // bytes resident
	err    error
	begun  time.Time
	took   time.Duration
}

// output is what a process has written so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// sending waits until a sender sends, or ends: on a busy machine that takes a while.
func (r *room) sending(s *process) { s.says(`"state":"sending"`) }

// says waits until a process has written text, or ends.
func (p *process) says(text string) {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !strings.Contains(p.stdout.String(), text) {
		select {
		case <-p.done:
			return
		case <-look.C:
		}
	}
}

func (r *room) start(host int, args ...string) *process {
	r.Helper()
	return r.run(host, r.home, program, args...)
}

func (r *room) run(host int, environ []string, name string, args ...string) *process {
	r.Helper()
	p := &process{done: make(chan struct{}), begun: time.Now()}
	p.cmd = r.lab.Host(host).Command(r.ctx, name, args...)
	p.cmd.Env = environ
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

// overhead is what was sent, in packed images: symbols, without their headers.
func (v *record) overhead() float64 {
	return float64(v.SentBytes-protocol.DataHeaderSize*v.SentPackets) / float64(v.PackedBytes)
}

// last returns the last line that the process wrote.
func (r *room) last(p *process) (v record) {
	r.Helper()
	r.parse(p, &v)
	return v
}

// parse reads the last line that the process wrote into v.
func (r *room) parse(p *process, v any) {
	r.Helper()
	<-p.done
	lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), v); err != nil {
		r.Fatalf("last line %q: %v\n%s", lines[len(lines)-1], err, p.stderr.String())
	}
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

// receiveAll starts the receivers at the hosts 1 to n.
func (r *room) receiveAll(n int, args ...string) (all []*process) {
	r.Helper()
	for i := 1; i <= n; i++ {
		all = append(all, r.receive(i, args...))
	}
	return all
}

// well reports whether the receiver at host i ended well, with the image on its
// disk.
func (r *room) well(image string, i int, p *process) bool {
	r.Helper()
	if p.code() != 0 {
		r.Errorf("receiver %d: %s", i, p.stderr.String())
		return false
	}
	r.same(image, r.disk(i))
	return true
}

// allWell checks that a sender and the receivers at the hosts from 1 on ended
// well, with the image on every disk, and returns what the sender says of it.
func (r *room) allWell(image string, s *process, receivers []*process) record {
	r.Helper()
	for i, p := range receivers {
		r.well(image, i+1, p)
	}
	if s.code() != 0 {
		r.Fatalf("sender: %s", s.stderr.String())
	}
	return r.last(s)
}

// pack fills the cache, so that sending starts at once.
func (r *room) pack(image string) {
	r.Helper()
	if p := r.start(0, "pack", image); p.code() != 0 {
		r.Fatal(p.stderr.String())
	}
}

// packed is an image of noise that is packed.
func (r *room) packed(size int64) string {
	r.Helper()
	image := r.noise("noise.img", size)
	r.pack(image)
	return image
}
