package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/image/synthetic"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/sender"
	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"
)

func (p *program) benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "measure this network and its machines, and say what is wrong",
		UsageText: "pxecast bench [flags]",
		Description: "Sends a made-up image to all machines that run `pxecast receive --disk discard`, and touches\n" +
			"no disk: receivers with a disk do not take part. Then it says how fast each machine is and what\n" +
			"limits it; who loses datagrams, in what pattern, on its own cable or on the way that all share;\n" +
			"and whether the switches flood, limit or drop multicast. Switches that filter multicast without\n" +
			"a querier forget the machines after some minutes only: a --size that takes ten finds it.\n" +
			"Exit status: 0 all received it, 1 none, 3 some, or fewer came than --receivers says.\n\n" +
			examples("pxecast bench", "pxecast bench --receivers 24 --max-wait 2m --size 4G", "pxecast bench --rate 800M --content noise",
				"pxecast bench --interface eth1 --json | tail -n 1"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "size", Value: "1G", Usage: "send an image of `SIZE` bytes"},
			&cli.StringFlag{Name: "content", Value: synthetic.Disk.String(), Usage: "fill it with `C`: disk, which packs to half its size and has zeros in it, or noise"},
			&cli.StringFlag{Name: "rate", Value: "auto", Usage: "send at most `R` bits a second: 200M, 1G, or auto to follow network and receivers"},
			&cli.IntFlag{Name: "receivers", Usage: "wait for `N` receivers (default: for all that come within 2 s of each other)"},
			&cli.DurationFlag{Name: "max-wait", Value: 30 * time.Minute, Usage: "wait for them no longer than `D`, then start with those that are there"},
			interfaceFlag(),
			jsonFlag("print events as JSON, one object a line, the last one a summary"),
		},
		Action: p.bench,
	}
}

// benching is one bench command.
type benching struct {
	p       *program
	size    int64
	content synthetic.Content
	cfg     sender.Config
	event   *events
	network string
	want    int    // receivers that the user named
	address string // of this machine there
	link    int64
	cpu     time.Duration // that sending took
}

// benchSettle is how long the last machine that came is followed by no other,
// when nobody said how many there are.
const benchSettle = 2 * time.Second

func (p *program) bench(c *cli.Context) error {
	b, err := p.newBenching(c)
	if err != nil {
		return err
	}
	status, err := b.run(c.Context)
	p.screen.Clear()
	if err != nil && c.Context.Err() != nil {
		err = context.Cause(c.Context)
	}
	if err == nil {
		err = b.verdict(status.Receivers)
	}
	b.report(&status, err)
	return err
}

// verdict is like that on a send, but the receivers that the user named must also
// have come.
func (b *benching) verdict(all []sender.ReceiverStatus) error {
	err := verdict(all)
	if n := len(all); err == nil && n < b.want {
		return fmt.Errorf("%w: %d of %d did not come", errSome, b.want-n, b.want)
	}
	return err
}

// newBenching reads the flags.
func (p *program) newBenching(c *cli.Context) (*benching, error) {
	b := &benching{p: p, network: c.String("interface"), want: c.Int("receivers"), event: newEvents(c.Bool("json"), p.out)}
	var err error
	if b.size, err = cmdline.ParseBytes("size", c.String("size")); err != nil {
		return nil, err
	}
	if b.content, err = synthetic.ParseContent(c.String("content")); err != nil {
		return nil, cmdline.Usagef("--content %s: it is disk or noise", c.String("content"))
	}
	if b.cfg.Rate, err = cmdline.ParseRate(c.String("rate")); err != nil {
		return nil, err
	}
	b.cfg.MaxWait = c.Duration("max-wait")
	switch {
	case b.size < protocol.BlockSize || b.size > synthetic.MaxSize:
		return nil, cmdline.Usagef("--size %s: it is 256k to 900G", c.String("size"))
	case c.IsSet("receivers") && (b.want < 1 || b.want > protocol.MaxReceivers):
		return nil, cmdline.Usagef("--receivers %d: it is 1 to %d", b.want, protocol.MaxReceivers)
	case b.cfg.MaxWait <= 0:
		return nil, cmdline.Usagef("--max-wait %v: give a time such as 10m", b.cfg.MaxWait)
	}
	if b.cfg.MinReceivers = b.want; b.want == 0 {
		b.cfg.MinReceivers, b.cfg.Settle = 1, benchSettle
	}
	b.cfg.Name, b.cfg.Bench, b.cfg.Parity = "bench", true, -1
	return b, nil
}

func (b *benching) run(ctx context.Context) (sender.Status, error) {
	network, err := mcast.Interface(b.network, mcast.Options{TTL: 1})
	if err != nil {
		return sender.Status{}, err
	}
	_, key, err := senderKey()
	if err != nil {
		return sender.Status{}, err
	}
	const seed = 1 // always the same image, so that two benches compare
	made, err := synthetic.New(b.size, b.content, seed)
	if err != nil {
		return sender.Status{}, err
	}
	b.announce(network, key.Public())
	b.link, b.address = network.LinkRate(), network.Addr().String()
	b.cfg.Network, b.cfg.Source, b.cfg.Key = network, made, key
	view := newSendView(b.p.screen, b.event)
	shown := showLatest(view.show)
	b.cfg.Status = shown.put
	before := cpuTime()
	status, err := sender.Run(ctx, b.cfg)
	b.cpu = cpuTime() - before
	shown.close()
	if status.RawSize == 0 { // it did not come to a session
		m := made.Manifest()
		status = sender.Status{Name: b.cfg.Name, ImageID: m.ID(), RawSize: m.RawSize(), Packed: m.PackedSize()}
	} else {
		view.changes(&status)
	}
	return status, err
}

// announce tells people what is sent and what receivers are to run.
func (b *benching) announce(network mcast.Network, key trust.PublicKey) {
	b.p.screen.Say("bench with %s of %v on %s %v; key fingerprint %s; on each machine run:",
		screen.Bytes(b.size), b.content, network.Name(), network.Addr(), key.Fingerprint())
	b.p.screen.Say("   pxecast receive --disk discard --trust %s", key)
	if b.want == 0 {
		b.p.screen.Say("it starts %v after the last machine that comes; --receivers N waits for N", benchSettle)
	}
}

// cpuTime returns the processor time that this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// complete adds to what was measured what only the command knows.
func (b *benching) complete(st *sender.Status) {
	m := st.Measured
	m.Expected, m.Rate, m.LinkRate, m.Cores = b.want, float64(b.cfg.Rate), float64(b.link), runtime.NumCPU()
	if st.Started.IsZero() { // ended while it still waited for receivers
		m.Seconds = 0
	}
	if m.Seconds > 0 {
		m.Busy = b.cpu.Seconds() / m.Seconds
	}
	for i := range m.Receivers {
		m.Receivers[i].Name = machineName(&st.Receivers[i])
		if st.Receivers[i].Address == b.address {
			// No switch is between us.
			m.Receivers[i].Counters.Stray = protocol.StrayUnknown
		}
	}
	if same := sameNames(st.Receivers); same {
		for i := range m.Receivers {
			m.Receivers[i].Name = fmt.Sprintf("%s (%s)", m.Receivers[i].Name, st.Receivers[i].Address)
		}
	}
}

// sameNames reports whether two machines have one name, as cloned ones do.
func sameNames(all []sender.ReceiverStatus) bool {
	seen := map[string]bool{}
	for i := range all {
		name := machineName(&all[i])
		if seen[name] {
			return true
		}
		seen[name] = true
	}
	return false
}
