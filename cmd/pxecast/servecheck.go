package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/pxecast/pxecast/internal/boot"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/ramdisk"
	"github.com/pxecast/pxecast/serve"
)

// errInTheWay says that a server would not work here.
var errInTheWay = errors.New("machines would not boot")

// bootFinding is something that is in a server's way.
type bootFinding struct {
	Fatal bool   `json:"fatal"`
	What  string `json:"what"`
	Why   string `json:"why"`
	Do    string `json:"do"`
}

type checkEvent struct {
	Event    string        `json:"event"` // "check"
	Findings []bootFinding `json:"findings"`
}

// check tells what is in the way.
func (s *serving) check(ctx context.Context) error {
	network, err := mcast.Interface(s.settings.Interface, mcast.Options{})
	if err != nil {
		return err
	}
	s.p.screen.Update("check", "looking at this machine and its network", func(int, int) []string {
		return []string{"looking at this machine and its network …"}
	})
	found := serve.Check(ctx, s.settings, network)
	s.p.screen.Clear()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	e := checkEvent{Event: "check", Findings: []bootFinding{}}
	fatal := false
	if _, err := ramdisk.Find(s.settings.Boot); errors.Is(err, ramdisk.ErrNoBuild) {
		if err := ramdisk.CanFetch(); err != nil {
			found = append(found, boot.Finding{Fatal: true, What: "there is no ramdisk, and it can't be built", Why: err.Error(), Do: "`pxecast ramdisk build` as root, with the package mmdebstrap"})
		} else {
			s.line("ok", "there is no ramdisk yet: it is built at the first start")
		}
	}
	for _, f := range found {
		fatal = fatal || f.Fatal
		e.Findings = append(e.Findings, bootFinding{f.Fatal, f.What, f.Why, f.Do})
		mark := " !"
		if f.Fatal {
			mark = s.p.screen.Paint(screen.Red, "!!")
		}
		s.line(mark, f.What+": "+f.Why)
		s.line("  ", "→ "+f.Do)
	}
	s.event.print(e)
	if fatal {
		return errInTheWay
	}
	if len(found) == 0 {
		s.line("ok", "nothing is in the way")
	}
	return nil
}

// line is one of a report, on standard output, unless that is for JSON.
func (s *serving) line(mark, text string) {
	if !s.event.on() {
		fmt.Fprintln(s.p.out, mark, screen.Safe(text))
	}
}
