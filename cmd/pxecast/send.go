package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/source"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
	"github.com/urfave/cli/v2"
)

func (p *program) sendCommand() *cli.Command {
	return &cli.Command{
		Name: "send", Usage: "send an image to all machines that receive",
		UsageText: "pxecast send IMAGE [flags]", ArgsUsage: "IMAGE",
		Description: "IMAGE is a disk image, raw or as gzip, xz, zstd, bzip2, qcow2, vmdk or vhdx, or a packed\n" +
			"image. It is packed into the cache first; the second time it starts at once. Machines that\n" +
			"come later join at any time. Exit status: 0 all received it, 1 none, 3 some.\n\n" +
			examples("pxecast send lab.img.gz", "pxecast send lab.img.gz --min-receivers 24 --max-wait 10m",
				"pxecast send lab.img.gz --interface eth1 --rate 400M", "pxecast send lab.img.gz --json | tail -n 1"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "call the image `N` (default: the file's name without .img, .gz and the like)"},
			interfaceFlag(),
			&cli.IntFlag{Name: "min-receivers", Value: 1, Usage: "wait for `N` receivers before sending"},
			&cli.DurationFlag{Name: "max-wait", Value: 30 * time.Minute, Usage: "wait for them no longer than `D`, then start with those that are there"},
			&cli.DurationFlag{Name: "linger", Value: 3 * time.Second, Usage: "stay for `D` after all are done, for late ones"},
			&cli.StringFlag{Name: "rate", Value: "auto", Usage: "send at most `R` bits a second: 200M, 1G, or auto to follow network and receivers"},
			&cli.StringFlag{Name: "burst", Usage: "send at most `SIZE` at once when the rate is limited, such as 32K for a switch with small buffers (default: 2 ms worth, 16K to 64K)"},
			&cli.StringFlag{Name: "parity", Value: "auto", Usage: "send `PCT` percent of parity unasked, or auto to follow the loss"},
			&cli.IntFlag{Name: "ttl", Value: 1, Usage: "let multicast cross `N`-1 routers"},
			querierFlag(),
			&cli.BoolFlag{DisableDefaultText: true, Name: "no-gso", Usage: "send every datagram by itself, for kernels and network cards that corrupt segmented sends"},
			levelFlag(),
			jsonFlag("print events as JSON, one object a line, the last one a summary"),
		},
		Action: p.send,
	}
}

// sending is one send command.
type sending struct {
	p       *program
	input   string
	name    string
	opts    mcast.Options
	level   image.Level
	cfg     sender.Config
	event   *events
	network string
	querier querierChoice
}

func (p *program) send(c *cli.Context) error {
	s, err := p.newSending(c)
	if err != nil {
		return err
	}
	status, err := s.run(c.Context)
	p.screen.Clear()
	if err != nil && c.Context.Err() != nil {
		err = context.Cause(c.Context)
	}
	if err == nil {
		err = verdict(status.Receivers)
	}
	s.event.print(summaryOf(&status, err))
	s.showTable(&status, err)
	return err
}

// newSending reads the flags.
func (p *program) newSending(c *cli.Context) (*sending, error) {
	s := &sending{p: p, input: c.Args().First(), name: c.String("name"), network: c.String("interface"), event: newEvents(c.Bool("json"), p.out)}
	var err error
	if s.level, err = level(c); err != nil {
		return nil, err
	}
	if s.cfg.Rate, err = cmdline.ParseRate(c.String("rate")); err != nil {
		return nil, err
	}
	if b := c.String("burst"); b != "" {
		if s.cfg.Burst, err = cmdline.ParseSize("burst", b); err != nil {
			return nil, err
		}
	}
	if s.cfg.Parity, err = cmdline.ParseParity(c.String("parity")); err != nil {
		return nil, err
	}
	if s.querier, err = parseQuerier(c.String("querier")); err != nil {
		return nil, err
	}
	s.opts = mcast.Options{TTL: c.Int("ttl"), NoGSO: c.Bool("no-gso")}
	s.cfg.MinReceivers, s.cfg.MaxWait, s.cfg.Linger = c.Int("min-receivers"), c.Duration("max-wait"), c.Duration("linger")
	switch {
	case s.opts.TTL < 1 || s.opts.TTL > 255:
		return nil, cmdline.Usagef("--ttl %d: it is 1 to 255, and 1 stays in the local network", s.opts.TTL)
	case s.cfg.MinReceivers < 1 || s.cfg.MinReceivers > protocol.MaxReceivers:
		return nil, cmdline.Usagef("--min-receivers %d: it is 1 to %d", s.cfg.MinReceivers, protocol.MaxReceivers)
	case s.cfg.MaxWait <= 0:
		return nil, cmdline.Usagef("--max-wait %v: give a time such as 10m", s.cfg.MaxWait)
	case s.cfg.Linger < 0:
		return nil, cmdline.Usagef("--linger %v: give a time such as 3s, or 0s", s.cfg.Linger)
	case len(s.name) > protocol.MaxName:
		return nil, cmdline.Usagef("--name: more than the %d bytes that menus show", protocol.MaxName)
	}
	if s.name == "" {
		s.name = image.NameOf(s.input)
	}
	s.cfg.Name = s.name
	return s, nil
}

// run does everything that can fail fast, then packs, then sends. The status
// holds the image's sizes from when they are known.
func (s *sending) run(ctx context.Context) (sender.Status, error) {
	network, err := mcast.Interface(s.network, s.opts)
	if err != nil {
		return sender.Status{}, err
	}
	in, err := source.Open(s.input)
	if err != nil {
		return sender.Status{}, err
	}
	in.Close()
	_, key, err := senderKey()
	if err != nil {
		return sender.Status{}, err
	}
	// Opened before the packing, it hears more of those who ask already.
	ask, err := newAsking(s.p, s.event, network, s.querier)
	if err != nil {
		return sender.Status{}, err
	}
	defer ask.close()
	packing := s.p.progress("packing", s.name, s.event)
	packed, err := fromCache(ctx, s.input, image.PackOptions{Level: s.level, Progress: packing.show})
	s.p.screen.Clear()
	if err != nil {
		return sender.Status{}, err
	}
	defer packed.Close()
	m := packed.Manifest()
	image := sender.Status{Name: s.name, ImageID: m.ID(), RawSize: m.RawSize(), Packed: m.PackedSize()}
	s.announce(network, key.Public(), &image)

	s.cfg.Network, s.cfg.Source, s.cfg.Key = network, packed, key
	s.cfg.Serve = sender.Lanes(network)
	view := newSendView(s.p.screen, s.event)
	shown := showLatest(view.show)
	s.cfg.Status = shown.put
	stop := ask.run(ctx)
	status, err := sender.Run(ctx, s.cfg)
	stop()
	shown.close()
	if status.RawSize == 0 { // it did not come to a session
		status = image
	} else {
		view.changes(&status)
	}
	return status, err
}

// announce tells people what is sent and what receivers are to run.
func (s *sending) announce(network mcast.Network, key trust.PublicKey, st *sender.Status) {
	s.p.screen.Say("sending %s, %s (packed %s), image ID %s, on %s %v", screen.Safe(s.name),
		screen.Bytes(st.RawSize), screen.Bytes(st.Packed), st.ImageID.Short(), network.Name(), network.Addr())
	s.p.screen.Say("key fingerprint %s; on each machine run:", key.Fingerprint())
	s.p.screen.Say("   pxecast receive --disk /dev/… --trust %s", key)
}

// verdict says whether the image is on all disks, on some, or on none.
func verdict(all []sender.ReceiverStatus) error {
	done, first := 0, ""
	for i := range all {
		if all[i].State == protocol.ReceiverDone {
			done++
		} else if first == "" {
			m := finalMachine(&all[i], 0, "")
			first = fmt.Sprintf("%s: %s", machineName(&all[i]), *m.Error)
		}
	}
	switch {
	case len(all) == 0:
		return sender.ErrNobody
	case done == len(all):
		return nil
	case done == 0 && len(all) == 1:
		return fmt.Errorf("the receiver failed: %s", first)
	case done == 0:
		return fmt.Errorf("all %d receivers failed: %s", len(all), first)
	}
	return fmt.Errorf("%w: %d of %d: %s", errSome, len(all)-done, len(all), first)
}
