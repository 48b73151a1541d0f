package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// process is a program of a run with what it printed.
type process struct {
	name           string
	cmd            *exec.Cmd
	out, errors    bytes.Buffer
	done           *marker         // of a program that doesn't end by itself
	until          <-chan struct{} // not to be ended before this is closed; nil is at once
	started, ended time.Time
	peak           int64 // largest resident size seen, bytes
	err            error
}

// newProcess prepares a program in host i of the lab.
func newProcess(ctx context.Context, l *lab.Lab, i int, args []string) *process {
	h := l.Host(i)
	return &process{name: args[0] + " on " + h.Name(), cmd: h.Command(ctx, args[0], args[1:]...)}
}

func (p *process) start() error {
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errors
	if p.done != nil {
		p.cmd.Stdout = p.done
	}
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// wait waits for the program's end. One with a marker is ended when it has
// printed that and until is closed; its time is until it printed that.
func (p *process) wait() {
	var asked sync.WaitGroup
	exited := make(chan struct{})
	if p.done != nil {
		asked.Go(func() {
			select {
			case <-p.done.seen:
			case <-exited:
				return
			}
			if p.until != nil {
				select {
				case <-p.until:
				case <-exited:
					return
				}
			}
			p.cmd.Process.Signal(syscall.SIGTERM)
		})
	}
	err := p.cmd.Wait()
	p.ended = time.Now()
	close(exited)
	asked.Wait()
	if p.done != nil && p.done.found() {
		p.ended = p.done.at
		return
	}
	if err == nil && p.done != nil {
		err = errors.New("it ended before it had the image")
	}
	if err != nil {
		said := strings.TrimSpace(p.errors.String())
		p.err = fmt.Errorf("%s: %w: %s", p.name, err, said[max(0, len(said)-500):])
	}
}

// finished runs a program to its end.
func finished(p *process) error {
	if err := p.start(); err != nil {
		return err
	}
	p.wait()
	return p.err
}

// look notes the largest size of the program so far (VmHWM of
// proc_pid_status(5)).
func (p *process) look() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return
	}
	// Once the program has been waited for, the number may be another's. It was
	// still the program's own if it is now.
	if p.cmd.Process.Signal(syscall.Signal(0)) != nil {
		return
	}
	_, rest, found := strings.Cut(string(b), "VmHWM:")
	if fields := strings.Fields(rest); found && len(fields) > 0 {
		kb, _ := strconv.ParseInt(fields[0], 10, 64)
		p.peak = max(p.peak, kb*1024)
	}
}

// usage is known when the program has ended. Its largest size by wait4 is never
// less than ours was when we started it (setmax_mm_hiwater_rss in the kernel's
// exec): if it says no more than that, what look saw counts.
func (p *process) usage() report.Usage {
	use, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return report.Usage{}
	}
	u := report.Usage{UserSeconds: time.Duration(use.Utime.Nano()).Seconds(), SystemSeconds: time.Duration(use.Stime.Nano()).Seconds(),
		PeakMemory: use.Maxrss * 1024}
	var ours syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ours) == nil && use.Maxrss <= ours.Maxrss && p.peak > 0 {
		u.PeakMemory = p.peak
	}
	return u
}

// marker waits for a text in what a program prints, and keeps nothing of it.
type marker struct {
	text string
	seen chan struct{}
	at   time.Time // valid when seen is closed
	tail []byte
}

func newMarker(text string) *marker { return &marker{text: text, seen: make(chan struct{})} }

func (m *marker) found() bool {
	select {
	case <-m.seen:
		return true
	default:
		return false
	}
}

// Write implements io.Writer.
func (m *marker) Write(b []byte) (int, error) {
	if m.found() {
		return len(b), nil
	}
	m.tail = append(m.tail, b...)
	if bytes.Contains(m.tail, []byte(m.text)) {
		m.at = time.Now()
		close(m.seen)
	}
	m.tail = m.tail[max(0, len(m.tail)-len(m.text)):]
	return len(b), nil
}
