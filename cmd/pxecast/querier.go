package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/querier"
	"github.com/urfave/cli/v2"
)

// querierChoice is the value of --querier.
type querierChoice string

const (
	querierAuto querierChoice = "auto"
	querierOn   querierChoice = "on"
	querierOff  querierChoice = "off"
)

func querierFlag() cli.Flag {
	return &cli.StringFlag{Name: "querier", Value: string(querierAuto),
		Usage: "ask the network who wants multicast (IGMP querier), for switches that filter it: `Q` is auto (where nobody else asks), on or off"}
}

func parseQuerier(text string) (querierChoice, error) {
	switch q := querierChoice(text); q {
	case querierAuto, querierOn, querierOff:
		return q, nil
	default:
		return "", cmdline.Usagef("--querier %s: it is auto, on or off", q)
	}
}

// querierEvent says in JSON who asks which multicast groups are wanted.
type querierEvent struct {
	Event string  `json:"event"` // "querier"
	Role  string  `json:"role"`  // "asking", "silent", "failed"
	Other *string `json:"other"`
	Error *string `json:"error"`
}

// asking is the querier beside a session; nil asks nobody.
type asking struct {
	p       *program
	event   *events
	network string
	q       *querier.Querier
	asked   bool
}

// newAsking opens the querier that the user chose. Auto does without where a
// raw socket may not be opened, and on the loopback, which has no switch.
func newAsking(p *program, event *events, network mcast.Network, choice querierChoice) (*asking, error) {
	if choice == querierOff || choice == querierAuto && network.Addr().IsLoopback() {
		return nil, nil
	}
	a := &asking{p: p, event: event, network: network.Name()}
	cfg := querier.Config{Interface: network.Name(), Addr: network.Addr(), Notice: a.notice}
	if choice == querierOn {
		cfg.Mode = querier.On
	}
	var err error
	a.q, err = querier.Open(cfg)
	switch {
	case err == nil:
		return a, nil
	case choice == querierAuto:
		return nil, nil
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("--querier on: %w: run as root or give the program the right by `setcap cap_net_raw+ep`, or leave the flag out", err)
	}
	return nil, fmt.Errorf("--querier on: %w", err)
}

// run asks until ctx ends or stop is called, which returns when it is over.
func (a *asking) run(ctx context.Context) (stop func()) {
	if a == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := a.q.Run(ctx); err != nil {
			a.broke(err)
		}
	})
	return func() {
		cancel()
		wait.Wait()
	}
}

// close is for one that never ran.
func (a *asking) close() {
	if a != nil {
		a.q.Close()
	}
}

// notice tells people and scripts of a new role. That somebody else asks, as it
// should be, is news to people only if we did.
func (a *asking) notice(n querier.Notice) {
	switch {
	case n.Err != nil:
		a.broke(n.Err)
	case n.Role == querier.Asking:
		a.event.print(querierEvent{Event: "querier", Role: "asking"})
		if a.asked {
			a.p.screen.Say("the other IGMP querier on %s fell silent: acting as querier again", a.network)
		} else {
			a.p.screen.Say("acting as IGMP querier on %s, for switches that filter multicast (--querier off: don't)", a.network)
		}
		a.asked = true
	case n.Role == querier.Silent:
		other := n.Other.String()
		a.event.print(querierEvent{Event: "querier", Role: "silent", Other: &other})
		if a.asked {
			a.p.screen.Say("%s is the IGMP querier on %s now: no longer acting as one", other, a.network)
		}
	}
}

func (a *asking) broke(err error) {
	text := oneLine(err)
	a.event.print(querierEvent{Event: "querier", Role: "failed", Error: &text})
	a.p.screen.Say("the IGMP querier failed: %s; switches that filter multicast may forget the machines", text)
}
