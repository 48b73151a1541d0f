package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/pxecast/pxecast/bench/lab"
)

// udpcast sends the raw image in full-duplex mode, which its manual recommends
// for switches. The raw file is in memory, so nothing but udpcast is measured.
type udpcast struct{}

func (udpcast) Name() string { return "udpcast" }

func (udpcast) Timed() string {
	return "sender started to receiver ended; the raw image is unpacked beforehand, its gunzip not counted"
}

func (udpcast) send(s Scenario) []string {
	return []string{"udp-sender", "--file", s.Raw, "--interface", lab.Interface, "--full-duplex",
		"--min-receivers", fmt.Sprint(len(s.Targets)), "--nokbd", "--no-progress"}
}

func (udpcast) receive(target string) []string {
	return []string{"udp-receiver", "--file", target, "--interface", lab.Interface, "--nokbd", "--no-progress"}
}

func (u udpcast) CommandLines(s Scenario) []string {
	return []string{strings.Join(u.send(s), " "), strings.Join(u.receive(s.Targets[0]), " ")}
}

func (u udpcast) Run(ctx context.Context, l *lab.Lab, s Scenario) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout(s.Image.RawSize))
	command := func(host int, args []string) *process {
		h := l.Host(host)
		return &process{name: args[0] + " on " + h.Name(), cmd: h.Command(ctx, args[0], args[1:]...)}
	}
	var receive []*process
	for i, target := range s.Targets {
		receive = append(receive, command(1+i, u.receive(target)))
	}
	return perform(ctx, cancel, command(0, u.send(s)), receive)
}
