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
)

// pxecast is ourselves: once with the packed image in the cache, as in every
// send of an image but the first, and once with packing counted.
type pxecast struct {
	program string
	packing bool // start with an empty cache
}

func (p pxecast) Name() string {
	if p.packing {
		return "pxecast, first send"
	}
	return "pxecast"
}

func (p pxecast) Timed() string {
	if p.packing {
		return "sender started to receiver ended, unpacking the .gz and packing it included"
	}
	return "sender started to receiver ended; the packed image is in the cache"
}

func (p pxecast) send(s Scenario) []string {
	return []string{p.program, "send", s.Image.Path, "--interface", lab.Interface,
		"--min-receivers", fmt.Sprint(len(s.Targets)), "--linger", "0s", "--json"}
}

func (p pxecast) receive(target, key string) []string {
	return []string{p.program, "receive", "--disk", target, "--trust", key, "--yes", "--interface", lab.Interface, "--json"}
}

func (p pxecast) CommandLines(s Scenario) []string {
	return []string{strings.Join(p.send(s), " "), strings.Join(p.receive(s.Targets[0], "KEY"), " ")}
}

func (p pxecast) Run(ctx context.Context, l *lab.Lab, s Scenario) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout(s.Image.RawSize))
	defer cancel()
	cache := filepath.Join(s.Work, "cache")
	env := append(os.Environ(), "PXECAST_KEY="+filepath.Join(s.Work, "key"), "PXECAST_CACHE="+cache)
	command := func(host int, args []string) *process {
		h := l.Host(host)
		c := &process{name: "pxecast " + args[1] + " on " + h.Name(), cmd: h.Command(ctx, args[0], args[1:]...)}
		c.cmd.Env = env
		return c
	}
	if p.packing {
		if err := os.RemoveAll(cache); err != nil {
			return Outcome{}, err
		}
	} else if err := finished(command(0, []string{p.program, "pack", s.Image.Path})); err != nil {
		return Outcome{}, err
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
		return Outcome{}, err
	}
	for i, r := range receive {
		var own Own
		if err := lastObject(r.out.Bytes(), "done", &own); err != nil {
			return Outcome{}, fmt.Errorf("%s: %w", r.name, err)
		}
		outcome.Clients[i].Own = &own
	}
	return outcome, nil
}

// finished runs a program to its end.
func finished(p *process) error {
	if err := p.start(); err != nil {
		return err
	}
	p.wait()
	return p.err
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
