package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/receiver"
	"github.com/urfave/cli/v2"
)

func (p *program) listCommand() *cli.Command {
	return &cli.Command{
		Name: "list", Usage: "show the sessions heard on the network now",
		UsageText:   "pxecast list [--interface IF] [--server ADDRESS] [--wait D] [--json]",
		Description: examples("pxecast list", "pxecast list --interface eth1 --json", "pxecast list --server 192.168.1.2"),
		Flags: []cli.Flag{
			interfaceFlag(),
			serverFlag(),
			&cli.DurationFlag{Name: "wait", Value: 2 * time.Second, Usage: "listen for `D`"},
			jsonFlag("print one JSON object a session"),
		},
		Action: p.list,
	}
}

// listedSession is a session as list prints it.
type listedSession struct {
	Name        string `json:"name"`
	ImageID     string `json:"image_id"`
	RawBytes    int64  `json:"raw_bytes"`
	PackedBytes int64  `json:"packed_bytes"`
	State       string `json:"state"`
	Receivers   int    `json:"receivers"`
	Done        int    `json:"done"`
	Address     string `json:"address"`
	PublicKey   string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
	Trusted     bool   `json:"trusted"`
	Bench       bool   `json:"bench"`
}

func (p *program) list(c *cli.Context) error {
	if c.Duration("wait") <= 0 {
		return cmdline.Usagef("--wait %v: listen for some time, such as 2s", c.Duration("wait"))
	}
	server, err := serverOf(c)
	if err != nil {
		return err
	}
	ring, err := ownKeyring()
	if err != nil {
		return err
	}
	network, err := mcast.Interface(c.String("interface"), mcast.Options{})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context, c.Duration("wait"))
	defer cancel()
	r := listen(ctx, network, server)
	select {
	case <-ctx.Done():
	case err := <-r.failed:
		return err
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	sessions := listed(r.sessions(time.Now().Add(-c.Duration("wait")-time.Second)), ring)
	if len(sessions) == 0 {
		return fmt.Errorf("no session heard on %s within %v: is `pxecast send` running, and in this network? A switch that filters multicast hides it too; try --wait 10s, or name the machine that sends with --server", network.Name(), c.Duration("wait"))
	}
	return p.printSessions(sessions, c.Bool("json"))
}

func listed(heard []receiver.Heard, ring *trust.Keyring) []listedSession {
	var all []listedSession
	for _, h := range heard {
		if h.State.Over() {
			continue
		}
		all = append(all, listedSession{
			Name: h.Name, ImageID: h.Image().String(), RawBytes: h.RawSize, PackedBytes: h.PackedSize, State: h.State.String(),
			Receivers: h.Receivers, Done: h.Done, Address: h.Report.Addr().String(),
			PublicKey: h.Key().String(), Fingerprint: h.Key().Fingerprint(), Trusted: ring.Accepts(h.Key()), Bench: h.Bench,
		})
	}
	slices.SortFunc(all, func(a, b listedSession) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address), cmp.Compare(a.ImageID, b.ImageID))
	})
	return all
}

func (p *program) printSessions(all []listedSession, asJSON bool) error {
	if asJSON {
		for _, s := range all {
			if err := p.object(s); err != nil {
				return err
			}
		}
		return nil
	}
	t := screen.Table{Columns: []screen.Column{{Name: "NAME"}, {Name: "IMAGE ID"}, {Name: "SIZE", Right: true}, {Name: "STATE"},
		{Name: "MACHINES"}, {Name: "SENDER"}, {Name: "FINGERPRINT"}, {Name: "TRUSTED"}}}
	for _, s := range all {
		trusted := "no"
		if s.Trusted {
			trusted = "yes"
		}
		if s.Bench {
			s.State += ", a bench"
		}
		t.Rows = append(t.Rows, []string{screen.Safe(s.Name), s.ImageID[:12], screen.Bytes(s.RawBytes), s.State,
			fmt.Sprintf("%d, %d done", s.Receivers, s.Done), s.Address, s.Fingerprint, trusted})
	}
	for _, l := range t.Lines() {
		if _, err := fmt.Fprintln(p.out, l); err != nil {
			return err
		}
	}
	return nil
}
