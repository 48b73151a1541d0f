package machines

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// server is a `pxecast serve` at the room's first host, and what it printed.
type server struct {
	room  *room
	args  []string
	cmd   *exec.Cmd
	done  chan struct{}
	begun time.Time

	mu      sync.Mutex
	events  []event
	said    tail // standard error
	changed chan struct{}
}

// rate is what an emulated processor takes in without losing most of it: nothing
// here is about speed.
const rate = "100M"

// event is a line of JSON of the server, of any kind: docs/json.md.
type event struct {
	at        time.Time
	Event     string
	Name      string // of an image, machine or session
	MAC       string
	Address   string
	State     string
	Progress  float64
	Problem   *string
	Text      *string
	Error     *string
	Script    *string
	Exit      *int
	Output    *string
	Disk      *string
	Machines  []event
	Sessions  []event
	Receivers []event
	Lanes     struct{ Multicast int }
}

func (e *event) text() string {
	if e.Text == nil {
		return ""
	}
	return *e.Text
}

// serve starts a server of these images and waits until machines can boot and all
// images are packed. rules are for its configuration file.
func (r *room) serve(images, rules string, args ...string) *server {
	r.Helper()
	boot, err := run.boot()
	if err != nil {
		r.Fatal(err)
	}
	config := filepath.Join(r.folder, "pxecast.toml")
	if err := os.WriteFile(config, []byte(rules), 0o644); err != nil {
		r.Fatal(err)
	}
	s := &server{room: r, args: append([]string{"serve", "--json", "--images", images, "--boot", r.bootFolder(boot), "--config", config, "--interface", "eth0", "--rate", rate}, args...)}
	s.start()
	r.Cleanup(func() {
		s.kill()
		if r.Failed() {
			r.Logf("the server's last lines:\n%s\n%s", s.last(20), s.said.String())
		}
	})
	return s
}

// bootFolder is the boot folder of this room's server: it keeps its leases there.
func (r *room) bootFolder(from string) string {
	r.Helper()
	folder := filepath.Join(r.folder, "boot")
	if out, err := exec.CommandContext(r.ctx, "cp", "--archive", "--link", from, folder).CombinedOutput(); err != nil {
		r.Fatalf("cp: %v: %s", err, out)
	}
	return folder
}

func (s *server) start() {
	r := s.room
	r.Helper()
	s.mu.Lock()
	s.done, s.changed, s.begun, s.events = make(chan struct{}), make(chan struct{}), time.Now(), nil
	s.mu.Unlock()
	s.cmd = r.lab.Host(0).Command(context.WithoutCancel(r.ctx), run.program, s.args...)
	s.cmd.Env = append(os.Environ(), "PXECAST_CACHE="+filepath.Join(run.folder, "cache"), "PXECAST_KEY="+keyFile())
	s.cmd.Stderr = &s.said
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		r.Fatal(err)
	}
	go s.follow(out, s.done)
	s.sees("ready", func(e *event) bool { return e.Event == "ready" })
}

func (s *server) follow(out io.Reader, done chan struct{}) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		e := event{at: time.Now()}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e.Event = fmt.Sprintf("%v: %s", err, lines.Text())
		}
		s.mu.Lock()
		s.events = append(s.events, e)
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
	}
	_ = s.cmd.Wait()
	close(done)
}

// kill ends the server as a crash does.
func (s *server) kill() {
	_ = unix.Kill(-s.cmd.Process.Pid, unix.SIGKILL)
	<-s.done
}

// sees waits for an event, from the first that the server printed on.
func (s *server) sees(what string, is func(*event) bool) *event {
	s.room.Helper()
	for next := 0; ; {
		s.mu.Lock()
		events, changed := s.events, s.changed
		s.mu.Unlock()
		for ; next < len(events); next++ {
			if is(&events[next]) {
				return &events[next]
			}
		}
		select {
		case <-changed:
		case <-s.done:
			s.room.Fatalf("the server ended while the test waited for %s:\n%s", what, s.said.String())
		case <-s.room.ctx.Done():
			s.room.Fatalf("the server did not print %s: %v", what, context.Cause(s.room.ctx))
		}
	}
}

// machine waits until the server tells of a machine in a state.
func (s *server) machine(mac, state string) *event {
	s.room.Helper()
	return s.sees(mac+" "+state, func(e *event) bool { return e.Event == "machine" && e.MAC == mac && e.State == state })
}

// past waits until a machine has more than a fraction of its image. A server that
// was started again knows receivers by their names only.
func (s *server) past(mac string, progress float64) {
	s.room.Helper()
	name := "pc-" + strings.ReplaceAll(mac[9:], ":", "")
	s.sees(fmt.Sprintf("%s at %.0f %%", name, progress*100), func(e *event) bool {
		for i := range e.Machines {
			if m := &e.Machines[i]; m.Name == name && m.State == "imaging" && m.Progress > progress {
				return true
			}
		}
		return false
	})
}

// all returns the events of a kind so far.
func (s *server) all(kind string) (found []event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Event == kind {
			found = append(found, e)
		}
	}
	return found
}

// last returns the last events that are no status.
func (s *server) last(n int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, e := range s.events {
		if e.Event == "status" {
			continue
		}
		line := fmt.Sprintf("%6.1f s  %s %s %s %s %s", e.at.Sub(s.begun).Seconds(), e.Event, e.Name, e.MAC, e.State, e.text())
		for _, more := range []*string{e.Problem, e.Error, e.Output} {
			if more != nil {
				line += " | " + *more
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
