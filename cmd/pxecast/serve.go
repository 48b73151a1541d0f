package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/sdnotify"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/serve"
	"github.com/urfave/cli/v2"
)

func (p *program) serveCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "boot machines over the network and image them",
		UsageText: "pxecast serve [flags]",
		Description: "Machines that are switched on and boot from the network get a small Debian in memory, with a\n" +
			"menu of the images in a folder; each image that is chosen is sent to all who chose it at once.\n" +
			"The ramdisk is built at the first start. Beside the network's DHCP server nothing has to be set\n" +
			"up; where there is none, --dhcp gives out addresses. Flags can stand in " + serve.SettingsFile + ",\n" +
			"and there rules for single machines, too.\n\n" +
			examples("pxecast serve --images /srv/images", "pxecast serve --interface eth1 --dhcp 10.0.0.100-10.0.0.200",
				"pxecast serve --check", "pxecast serve --boot-default image --boot-timeout 5s"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "read settings from `FILE` (default: " + serve.SettingsFile + " if it is there)"},
			&cli.StringFlag{Name: "images", Usage: "offer the images in `FOLDER`, in any form that `pxecast send` takes (default: " + serve.DefaultImages + ")"},
			interfaceFlag(),
			&cli.StringFlag{Name: "dhcp", Usage: "`HOW` machines get addresses: proxy (the network has a DHCP server), a range such as 10.0.0.100-10.0.0.200 to give out (it has none), or off (it has one that names this server) (default: proxy)"},
			&cli.DurationFlag{Name: "gather", Value: serve.DefaultGather, Usage: "begin to send when no more machines came for `D`"},
			&cli.StringFlag{Name: "rate", Value: "auto", Usage: "send at most `R` bits a second for each image: 200M, 1G, or auto to follow network and machines"},
			querierFlag(),
			&cli.StringFlag{Name: "boot-default", Usage: "`WHAT` a machine does that nobody sits at: local (boot from its disk) or image (go on to the menu) (default: local)"},
			&cli.DurationFlag{Name: "boot-timeout", Value: serve.DefaultTimeout, Usage: "after `D`"},
			&cli.StringFlag{Name: "after", Usage: "when its disk is done, a machine is to `DO` reboot, poweroff, shell or menu (default: it asks, then reboots)"},
			&cli.IntFlag{Name: "serial-speed", Value: 115200, Usage: "use the machines' first serial port at `BAUD`, for menus and kernel, beside the screen; -1: don't"},
			&cli.StringFlag{Name: "boot", Usage: "keep ramdisk and boot loaders in `FOLDER` (default: " + serve.DefaultBoot + ")"},
			&cli.IntFlag{Name: "http-port", Value: catalog.Port, Usage: "serve HTTP on TCP port `N`"},
			levelFlag(),
			&cli.BoolFlag{DisableDefaultText: true, Name: "check", Usage: "only tell what on this machine or network would be in the way"},
			jsonFlag("print events as JSON, one object a line"),
		},
		Action: p.serve,
	}
}

// serving is one serve command.
type serving struct {
	p        *program
	settings serve.Settings
	rate     int64
	level    image.Level
	querier  querierChoice
	event    *events
}

func (p *program) serve(c *cli.Context) error {
	s, err := p.newServing(c)
	if err != nil {
		return err
	}
	if c.Bool("check") {
		return s.check(c.Context)
	}
	err = s.run(c.Context)
	p.screen.Clear()
	if err != nil && c.Context.Err() != nil {
		err = context.Cause(c.Context)
	}
	return err
}

// newServing reads the settings, and over them the flags.
func (p *program) newServing(c *cli.Context) (*serving, error) {
	s := &serving{p: p, event: newEvents(c.Bool("json"), p.out)}
	var err error
	file := c.String("config")
	if file == "" {
		file = serve.SettingsFile
	}
	if s.settings, err = serve.ReadSettings(file); err != nil && (c.IsSet("config") || !errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	for name, to := range map[string]*string{
		"images": &s.settings.Images, "interface": &s.settings.Interface, "dhcp": &s.settings.DHCP, "rate": &s.settings.Rate,
		"querier": &s.settings.Querier, "boot-default": &s.settings.BootDefault, "after": &s.settings.After, "boot": &s.settings.Boot,
	} {
		if c.IsSet(name) {
			*to = c.String(name)
		}
	}
	for name, to := range map[string]*serve.Duration{"gather": &s.settings.Gather, "boot-timeout": &s.settings.BootTimeout} {
		if c.IsSet(name) {
			*to = serve.Duration{Duration: c.Duration(name), Set: true}
		}
	}
	if c.IsSet("serial-speed") {
		s.settings.Serial = c.Int("serial-speed")
	}
	if c.IsSet("http-port") {
		s.settings.HTTPPort = c.Int("http-port")
	}
	if err := s.settings.Fill(); err != nil {
		return nil, cmdline.Usagef("%v", err)
	}
	if s.level, err = level(c); err != nil {
		return nil, err
	}
	if s.rate, err = cmdline.ParseRate(s.settings.Rate); err != nil {
		return nil, err
	}
	s.querier, err = parseQuerier(s.settings.Querier)
	return s, err
}

// folder looks for the folder of images before anything takes time. The one that
// nobody named is made: then people know where to put them.
func (s *serving) folder() error {
	folder := s.settings.Images
	_, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) && folder == serve.DefaultImages {
		if err = os.MkdirAll(folder, 0o755); err == nil {
			s.p.screen.Say("made %s: put images there, now or later", folder)
		}
	}
	if err != nil {
		return fmt.Errorf("folder of images: %w: make it, or name another with --images", err)
	}
	return nil
}

// run serves until it is interrupted.
func (s *serving) run(ctx context.Context) error {
	if err := s.folder(); err != nil {
		return err
	}
	network, err := mcast.Interface(s.settings.Interface, mcast.Options{})
	if err != nil {
		return err
	}
	_, key, err := senderKey()
	if err != nil {
		return err
	}
	cache, err := image.DefaultCache()
	if err != nil {
		return err
	}
	if err := s.ramdisk(ctx, key); err != nil {
		return err
	}
	ask, err := newAsking(s.p, s.event, network, s.querier)
	if err != nil {
		return err
	}
	defer ask.run(ctx)()
	view := newServeView(s.p.screen, s.event)
	shown := showLatest(view.show)
	defer shown.close()
	defer sdnotify.Stopping()
	return serve.Run(ctx, serve.Config{
		Settings: s.settings, Network: network, Rate: s.rate, Key: key, Cache: cache, Level: s.level,
		Log: slog.New(troubleLog{tell: view.news}), Status: shown.put, News: view.news,
		Ready: func() { s.ready(network, key.Public()) },
	})
}

// ready tells people, scripts and the service manager that machines can boot.
func (s *serving) ready(network mcast.Network, key trust.PublicKey) {
	sdnotify.Ready()
	s.p.screen.Say("serving the images in %s on %s %v, key fingerprint %s", screen.Safe(s.settings.Images), network.Name(), network.Addr(), key.Fingerprint())
	s.p.screen.Say("switch the machines on and let them boot from the network (PXE)")
	url := fmt.Sprintf("http://%v:%d/", network.Addr(), s.settings.HTTPPort)
	s.event.print(readyEvent{Event: "ready", Interface: network.Name(), Address: network.Addr().String(), URL: url, PublicKey: key.String()})
}
