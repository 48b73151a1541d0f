package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/urfave/cli/v2"
)

func (p *program) receiveCommand() *cli.Command {
	return &cli.Command{
		Name: "receive", Usage: "receive an image and write it to a disk",
		UsageText: "pxecast receive --disk DISK [flags]",
		Description: "Waits for a sender, shows what is about to be overwritten and asks. With --disk discard it\n" +
			"asks nothing and takes part in a bench, too (see `pxecast bench`). Where nobody can\n" +
			"answer, --yes is needed, and a sender that is trusted: by --trust, by a line in\n" +
			"/etc/pxecast/trusted, or because somebody accepted it here before.\n\n" +
			examples("pxecast receive --disk /dev/sda", "pxecast receive --disk /dev/sda --trust KEY --yes --verify",
				"pxecast receive --disk lab.img --image lab", "pxecast receive --disk discard --trust any"),
		Flags: []cli.Flag{
			diskFlag("write to `DISK`: a disk such as /dev/sda, a partition, an image file, or \"discard\" to keep nothing"),
			&cli.StringFlag{Name: "image", Usage: "take the image called `NAME`, or whose ID begins so, and no other"},
			interfaceFlag(),
			serverFlag(),
			&cli.StringSliceFlag{Name: "trust", Usage: "accept a sender by its public `KEY`, by a file of keys, or any"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "yes", Usage: "overwrite the disk without asking"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "verify", Usage: "read the disk back before it is made bootable"},
			&cli.DurationFlag{Name: "max-wait", Value: 30 * time.Minute, Usage: "wait no longer than `D` for a sender"},
			&cli.StringFlag{Name: "memory", Usage: "hold at most `SIZE` of blocks that are on their way to the disk, such as 64M (default: 96M)"},
			reuseFlag(),
			writeLimitFlag(),
			&cli.DurationFlag{Name: "linger", Value: 10 * time.Second, Usage: "when done, stay for `D` while other machines are not, and until none has fetched from this one for as long"},
			jsonFlag("print events as JSON, one object a line, the last one \"done\" or \"failed\""),
		},
		Action: p.receive,
	}
}

// receiving is one receive command.
type receiving struct {
	p       *program
	disk    string
	info    disk.Info
	yes     bool
	choice  choice
	cfg     receiver.Config
	network mcast.Network
	event   *events
}

func (p *program) receive(c *cli.Context) error {
	r, err := p.newReceiving(c)
	if err != nil {
		return err
	}
	st, err := r.run(c.Context, c.String("interface"))
	p.screen.Clear()
	if err != nil && c.Context.Err() != nil {
		err = context.Cause(c.Context)
	}
	r.report(&st, err)
	return err
}

// newReceiving reads the flags.
func (p *program) newReceiving(c *cli.Context) (*receiving, error) {
	r := &receiving{p: p, yes: c.Bool("yes"), event: newEvents(c.Bool("json"), p.out)}
	r.choice = choice{p: p, want: c.String("image"), patience: c.Duration("max-wait"), explicit: c.IsSet("trust")}
	r.cfg = receiver.Config{Name: hostname(), Verify: c.Bool("verify")}
	var err error
	if r.disk, err = needDisk(c); err != nil {
		return nil, err
	}
	if m := c.String("memory"); m != "" {
		if r.cfg.Memory, err = cmdline.ParseSize("memory", m); err != nil {
			return nil, err
		}
		if r.cfg.Memory < 16<<20 {
			return nil, cmdline.Usagef("--memory %s: at least 16M is needed", m)
		}
	}
	if err := writing(c, &r.cfg); err != nil {
		return nil, err
	}
	if err := unicasting(c, &r.cfg); err != nil {
		return nil, err
	}
	r.choice.server = r.cfg.Server
	if r.choice.patience <= 0 {
		return nil, cmdline.Usagef("--max-wait %v: give a time such as 10m", r.choice.patience)
	}
	if r.choice.explicit {
		if r.choice.ring, err = trust.ParseTrust(c.StringSlice("trust")...); err != nil {
			return nil, cmdline.Usagef("%v", err)
		}
	} else {
		r.choice.ring, err = ownKeyring()
	}
	return r, err
}

// ownKeyring holds the keys that this machine and this user accept.
func ownKeyring() (*trust.Keyring, error) {
	paths := []string{trust.SystemFile}
	if user, err := trust.UserFile(); err == nil {
		paths = append(paths, user)
	}
	return trust.LoadKeyring(paths...)
}

// run refuses what can be refused before a sender is there, waits for one, and
// receives. The status holds what is known of the image.
func (r *receiving) run(ctx context.Context, networkName string) (st receiver.Status, err error) {
	st.State = protocol.ReceiverFailed
	if r.info, err = disk.Check(r.disk, 0); err != nil {
		return st, err
	}
	r.choice.bench = r.info.Kind == disk.Discard && r.choice.want == ""
	if !r.yes && !r.p.canAsk() && r.info.Kind != disk.Discard {
		return st, fmt.Errorf("%s would be overwritten and nobody is at a terminal to agree: give --yes", r.disk)
	}
	if r.network, err = mcast.Interface(networkName, mcast.Options{}); err != nil {
		return st, err
	}
	r.cfg.Network, r.cfg.ID = r.network, receiverID(r.network.Name(), r.disk)
	defer byUnicast(&r.cfg)()

	listening, stop := context.WithCancel(ctx)
	defer stop()
	radio := listen(listening, r.network, r.cfg.Server)
	heard, err := r.choice.wait(ctx, radio, r.network.Name())
	if err != nil {
		return st, err
	}
	st.ImageID, st.RawSize, st.Name = heard.Image(), heard.RawSize, heard.Name
	if r.info, err = disk.Check(r.disk, heard.RawSize); err != nil {
		return st, err
	}
	if err := r.agree(ctx, &heard); err != nil {
		return st, err
	}
	heard = radio.again(heard) // agreeing may have taken a while
	stop()
	if heard.State.Over() || time.Since(heard.At) > sessionSilence {
		return st, fmt.Errorf("the session of %s ended meanwhile: start `pxecast send` again", screen.Safe(heard.Name))
	}
	return r.write(ctx, heard)
}

// agree asks whether the disk may be overwritten.
func (r *receiving) agree(ctx context.Context, h *receiver.Heard) error {
	if r.yes || r.info.Kind == disk.Discard {
		return nil
	}
	r.p.screen.Say("image  %s", offerLine(h))
	r.p.screen.Say("disk   %s", screen.Safe(r.info.String()))
	question := "Everything on " + r.disk + " will be overwritten. Go on?"
	if r.info.Kind == disk.NewFile {
		question = "The file " + r.disk + " will be created. Go on?"
	}
	ok, err := r.p.confirm(ctx, screen.Safe(question))
	if err == nil && !ok {
		err = errors.New("not agreed: nothing was written")
	}
	return err
}

// write receives the image.
func (r *receiving) write(ctx context.Context, h receiver.Heard) (receiver.Status, error) {
	before := receiver.Status{State: protocol.ReceiverFailed, ImageID: h.Image(), RawSize: h.RawSize, Name: h.Name}
	var target *disk.Target
	if r.info.Kind == disk.Discard {
		target = disk.OpenDiscard(h.RawSize)
	} else {
		var err error
		if target, err = disk.Lock(r.disk, h.RawSize); err != nil {
			return before, err
		}
	}
	var err error
	defer func() {
		if !errors.Is(err, receiver.ErrStuck) { // else that would wait for ever
			target.Close()
		}
	}()
	if !r.event.on() {
		r.p.screen.Say("receiving %s to %s", offerLine(&h), screen.Safe(r.disk))
	}
	view := newReceiveView(r)
	shown := showLatest(view.show)
	r.cfg.Status = shown.put
	var st receiver.Status
	st, err = receiver.Run(ctx, r.cfg, h, target)
	shown.close()
	if st.RawSize == 0 { // it did not come to a session
		st = before
	}
	return st, err
}

// report says how it ended.
func (r *receiving) report(st *receiver.Status, err error) {
	if err != nil {
		st.State = protocol.ReceiverFailed
	}
	address := ""
	if r.network != nil {
		address = r.network.Addr().String()
	}
	if err != nil {
		e := ownEventOf("failed", r.cfg.ID, address, st)
		e.Error = orNull(oneLine(err))
		r.event.print(failedEvent{e, orNull(causeOf(err))})
		return
	}
	e := ownEventOf("done", r.cfg.ID, address, st)
	r.event.print(e)
	if !r.event.on() {
		lost := "no packet lost"
		if e.PacketsLost > 0 {
			lost = fmt.Sprintf("%d packets lost, all healed", e.PacketsLost)
		}
		if st.Check.Equal > 0 {
			lost = fmt.Sprintf("%s of it were there already; %s", screen.Bytes(st.Check.Equal), lost)
		}
		fmt.Fprintf(r.p.out, "done: %s, %s, is on %s after %.1f s, %.1f MB/s; %s\n",
			screen.Safe(st.Name), screen.Bytes(st.RawSize), r.disk, e.Seconds, e.MBPerS, lost)
	}
}

// causeOf tells what failed, where it is a thing of this machine's: "disk".
func causeOf(err error) string {
	var failed *disk.Error
	if errors.As(err, &failed) || errors.Is(err, receiver.ErrStuck) {
		return "disk"
	}
	for _, unfit := range []error{disk.ErrNotFound, disk.ErrDirectory, disk.ErrNotDisk, disk.ErrTooSmall, disk.ErrReadOnly, disk.ErrPermission, disk.ErrMounted, disk.ErrInUse} {
		if errors.Is(err, unfit) {
			return "disk"
		}
	}
	return ""
}
