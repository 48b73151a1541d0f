package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/bench/report"
)

// lookEvery is how often the programs' sizes are read.
const lookEvery = 200 * time.Millisecond

// settle is how long the receivers have listened when the sender starts.
const settle = time.Second

// perform starts the receivers, waits until each has a socket, starts the
// sender, and waits for all. A failure of one ends the others.
func perform(ctx context.Context, cancel context.CancelFunc, send *process, receive []*process) (Outcome, error) {
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	sent := make(chan struct{})
	for _, p := range receive {
		p.until = sent
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
	// The machines are there before anybody sends, in a room as here.
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	if err := send.start(); err != nil {
		cancel()
		return Outcome{}, err
	}
	stop := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() { watch(stop, append([]*process{send}, receive...)) })
	if send.wait(); send.err != nil {
		cancel()
	}
	close(sent)
	wg.Wait()
	close(stop)
	looking.Wait()
	return outcomeOf(send, receive)
}

func outcomeOf(send *process, receive []*process) (Outcome, error) {
	outcome := Outcome{Sender: send.usage()}
	for _, p := range receive {
		outcome.Clients = append(outcome.Clients, report.Client{Seconds: p.ended.Sub(send.started).Seconds(), Usage: p.usage()})
	}
	return outcome, cause(append([]*process{send}, receive...))
}

// cause leaves out those that we killed, unless there is nobody else to blame:
// then the run hung.
func cause(all []*process) error {
	var own, killed []error
	for _, p := range all {
		switch exit, ok := errors.AsType[*exec.ExitError](p.err); {
		case p.err == nil:
		case ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
			killed = append(killed, p.err)
		default:
			own = append(own, p.err)
		}
	}
	if len(own) == 0 && len(killed) > 0 {
		return fmt.Errorf("it took too long and was ended: %w", killed[0])
	}
	return errors.Join(own...)
}

// watch reads the programs' sizes until stop is closed.
func watch(stop <-chan struct{}, all []*process) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, p := range all {
				p.look()
			}
		case <-stop:
			return
		}
	}
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
