package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// pxecast is ourselves: with the packed image in the cache, as in every send of
// an image but the first; once with packing counted; once with receivers that
// may use little memory.
type pxecast struct {
	program string
	packing bool   // start with an empty cache
	memory  string // of the receivers; "" is the default
}

func (p pxecast) Name() string {
	switch {
	case p.packing:
		return report.FirstSend
	case p.memory != "":
		return report.SmallMemory
	}
	return report.Pxecast
}

func (p pxecast) Timed() string {
	if p.packing {
		return "sender started to receiver ended, unpacking the .gz and packing it included"
	}
	return "sender started to receiver ended; the packed image is in the cache"
}

func (pxecast) Restores() bool { return true }

func (p pxecast) send(s Scenario) []string {
	return []string{p.program, "send", s.Files.Gzip, "--interface", lab.Interface,
		"--min-receivers", fmt.Sprint(s.Receivers), "--linger", "0s", "--json"}
}

func (p pxecast) receive(target, key string) []string {
	args := []string{p.program, "receive", "--disk", target, "--trust", key, "--yes", "--interface", lab.Interface, "--json"}
	if p.memory != "" {
		args = append(args, "--memory", p.memory)
	}
	return args
}

func (p pxecast) CommandLines(s Scenario) []string {
	return []string{s.typed(p.send(s)), s.typed(p.receive(s.Targets[0], "KEY"))}
}

// cacheOf is where the packed images of a run are kept.
func cacheOf(work string) string { return filepath.Join(work, "cache") }

// environment makes pxecast keep its key and cache in the run's own folder.
func environment(work, cache string) []string {
	return append(os.Environ(), "PXECAST_KEY="+filepath.Join(work, "key"), "PXECAST_CACHE="+cache)
}

func (p pxecast) Run(ctx context.Context, l *lab.Lab, s Scenario) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	cache := cacheOf(s.Work)
	if p.packing {
		cache = filepath.Join(s.Work, "empty")
		defer os.RemoveAll(cache)
	}
	command := func(host int, args []string) *process {
		c := newProcess(ctx, l, host, args)
		c.name = "pxecast " + args[1] + " on " + l.Host(host).Name()
		c.cmd.Env = environment(s.Work, cache)
		return c
	}
	key, err := publicKey(command(0, []string{p.program, "key", "--json"}))
	if err != nil {
		return Outcome{}, err
	}
	var receive []*process
	for i, target := range s.Targets {
		receive = append(receive, command(1+i, p.receive(target, key)))
	}
	send := command(0, p.send(s))
	outcome, err := perform(ctx, cancel, send, receive)
	if err != nil {
		return Outcome{}, explain(err, send, receive)
	}
	for i, r := range receive {
		var own report.Own
		if err := lastObject(r.out.Bytes(), "done", &own); err != nil {
			return Outcome{}, fmt.Errorf("%s: %w", r.name, err)
		}
		outcome.Clients[i].Own = &own
	}
	return outcome, nil
}

// explain adds what the programs said last by --json.
func explain(err error, send *process, receive []*process) error {
	for _, p := range append([]*process{send}, receive...) {
		lines := strings.Split(strings.TrimSpace(p.out.String()), "\n")
		if last := lines[len(lines)-1]; strings.Contains(last, `"error":"`) {
			err = fmt.Errorf("%w\n%s: %s", err, p.name, last[:min(len(last), 500)])
		}
	}
	return err
}

func publicKey(p *process) (string, error) {
	if err := finished(p); err != nil {
		return "", err
	}
	var key struct {
		Public string `json:"public_key"`
	}
	if err := json.Unmarshal(p.out.Bytes(), &key); err != nil || key.Public == "" {
		return "", fmt.Errorf("pxecast key --json said %q (%v)", p.out.Bytes(), err)
	}
	return key.Public, nil
}

// lastObject reads the last line of --json output, which must be the event.
func lastObject(out []byte, event string, into any) error {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	last := lines[len(lines)-1]
	var head struct{ Event string }
	if err := json.Unmarshal(last, &head); err != nil || head.Event != event {
		return fmt.Errorf("last line of --json is %q, want the event %q (%v)", last, event, err)
	}
	return json.Unmarshal(last, into)
}
