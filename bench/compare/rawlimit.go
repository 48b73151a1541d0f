package main

import (
	"context"
	"fmt"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// rawlimit is bench/rawlimit: as many datagrams as the packed image makes, and
// nothing done with them.
type rawlimit struct{ program string }

func (rawlimit) Name() string { return report.RawLimit }

func (rawlimit) Timed() string {
	return "sender started to receiver ended; it moves as many bytes as the packed image has and restores nothing"
}

func (rawlimit) Restores() bool { return false }

func (r rawlimit) send(s Scenario) []string {
	return []string{r.program, "send", "--interface", lab.Interface, "--bytes", fmt.Sprint(s.PackedBytes), "--receivers", fmt.Sprint(s.Receivers)}
}

func (r rawlimit) receive() []string {
	return []string{r.program, "receive", "--interface", lab.Interface}
}

func (r rawlimit) CommandLines(s Scenario) []string {
	return []string{s.typed(r.send(s)), s.typed(r.receive())}
}

func (r rawlimit) Run(ctx context.Context, l *lab.Lab, s Scenario) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var receive []*process
	for i := range s.Targets {
		receive = append(receive, newProcess(ctx, l, 1+i, r.receive()))
	}
	return perform(ctx, cancel, newProcess(ctx, l, 0, r.send(s)), receive)
}
