package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program of a run with what it printed.
type process struct {
	name        string
	cmd         *exec.Cmd
	out, errors bytes.Buffer
	started     time.Time
	took        time.Duration
	err         error
}

func (p *process) start() error {
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errors
	p.started = time.Now()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

func (p *process) wait() {
	if err := p.cmd.Wait(); err != nil {
		said := strings.TrimSpace(p.errors.String())
		p.err = fmt.Errorf("%s: %w: %s", p.name, err, said[max(0, len(said)-500):])
	}
	p.took = time.Since(p.started)
}

func (p *process) usage() Usage {
	use, ok := p.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return Usage{}
	}
	return Usage{time.Duration(use.Utime.Nano() + use.Stime.Nano()).Seconds(), use.Maxrss * 1024}
}

// perform starts the receivers, waits until each has a socket, starts the
// sender, and waits for all. A receiver's failure ends the others.
func perform(ctx context.Context, cancel context.CancelFunc, send *process, receive []*process) (Outcome, error) {
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, p := range receive {
		if err := p.start(); err != nil {
			cancel()
			return Outcome{}, err
		}
		wg.Go(func() {
			if p.wait(); p.err != nil {
				cancel()
			}
		})
	}
	for _, p := range receive {
		if err := awaitSocket(ctx, p.cmd.Process.Pid); err != nil {
			cancel()
			wg.Wait()
			return Outcome{}, errors.Join(fmt.Errorf("%s opened no socket: %w", p.name, err), p.err)
		}
	}
	if err := send.start(); err != nil {
		cancel()
		return Outcome{}, err
	}
	if send.wait(); send.err != nil {
		cancel()
	}
	wg.Wait()
	err := send.err
	outcome := Outcome{Sender: send.usage()}
	for _, p := range receive {
		err = errors.Join(err, p.err)
		seconds := p.started.Add(p.took).Sub(send.started).Seconds()
		outcome.Clients = append(outcome.Clients, Client{Seconds: seconds, Usage: p.usage()})
	}
	return outcome, err
}

// awaitSocket waits until the network namespace of the process has a UDP
// socket: then the receiver listens.
func awaitSocket(ctx context.Context, pid int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/udp", pid))
		if err != nil {
			return err
		}
		if bytes.Count(table, []byte("\n")) > 1 { // the first line is a heading
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
