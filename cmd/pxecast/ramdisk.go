package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/ramdisk"
	"github.com/urfave/cli/v2"
)

func (p *program) ramdiskCommand() *cli.Command {
	return &cli.Command{
		Name: "ramdisk", Usage: "build what machines boot into",
		UsageText:   "pxecast ramdisk build [flags]",
		Description: examples("pxecast ramdisk build"),
		Subcommands: []*cli.Command{p.ramdiskBuildCommand()},
		Action:      func(c *cli.Context) error { return cli.ShowSubcommandHelp(c) },
	}
}

func (p *program) ramdiskBuildCommand() *cli.Command {
	return &cli.Command{
		Name: "build", Usage: "build kernel, ramdisk and boot loaders from Debian packages",
		UsageText: "pxecast ramdisk build [--output FOLDER] [--suite NAME] [flags]",
		Description: "Machines that boot over the network get Debian's kernel, a small Debian in memory with\n" +
			"drivers for wired network cards and disks, and in it this very program with its menu.\n" +
			"Packages come from the mirrors that this machine's apt uses, by mmdebstrap; they are kept,\n" +
			"so that building again takes seconds. `serve` builds by itself where there is none.\n\n" +
			examples("pxecast ramdisk build --report", "pxecast ramdisk build --keymap de --package smartmontools --file ./motd:/etc/motd",
				"pxecast ramdisk build --fresh"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Value: ramdisk.DefaultOutput, Usage: "build in `FOLDER`"},
			&cli.StringFlag{Name: "suite", Usage: "take packages from the Debian release `NAME` (default: the current stable one)"},
			&cli.StringSliceFlag{Name: "package", Usage: "put the Debian package `NAME` in too, with what it depends on; may be given several times"},
			&cli.StringSliceFlag{Name: "file", Usage: "put a file or folder in, as `HOST:PATH`; may be given several times"},
			&cli.StringFlag{Name: "keymap", Value: "us", Usage: "keyboard layout `NAME`, such as de, fr or uk"},
			&cli.StringFlag{Name: "locale", Value: "C.UTF-8", Usage: "set LANG to `NAME`, such as de_DE.UTF-8"},
			&cli.IntFlag{Name: "serial-speed", Value: 115200, Usage: "serial consoles run at `N` bits a second"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "no-shell", Usage: "no root shell on the second console"},
			&cli.StringSliceFlag{Name: "trust", Usage: "machines write what the sender with `KEY` sends, or with one in a file; may be given several times (default: this machine's own key)"},
			&cli.StringFlag{Name: "binary", Usage: "put the static pxecast in `FILE` in (default: this program)"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "fresh", Usage: "fetch all packages anew"},
			&cli.BoolFlag{DisableDefaultText: true, Name: "report", Usage: "show what takes how much space"},
			jsonFlag("print one JSON object"),
		},
		Action: p.ramdiskBuild,
	}
}

func (p *program) ramdiskBuild(c *cli.Context) error {
	config, err := ramdiskConfig(c)
	if err != nil {
		return err
	}
	began := time.Now()
	config.Progress = p.ramdiskProgress(began)
	report, err := ramdisk.Build(c.Context, config)
	p.screen.Clear()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.object(ramdiskObject(config, report))
	}
	if c.Bool("report") {
		if err := p.showRamdisk(report); err != nil {
			return err
		}
	}
	p.ramdiskBuilt(&report, began)
	_, err = fmt.Fprintln(p.out, filepath.Join(config.Output, "tree"))
	return err
}

// ramdiskProgress shows what a build that began at a time is doing.
func (p *program) ramdiskProgress(began time.Time) func(ramdisk.Progress) {
	return func(g ramdisk.Progress) {
		line := g.Step
		if g.Text != "" {
			line += ": " + screen.Safe(g.Text)
		}
		p.screen.Update(g.Step, line, func(int, int) []string {
			return []string{fmt.Sprintf("%s  %s", screen.Duration(time.Since(began)), line)}
		})
	}
}

// ramdiskBuilt says what was built.
func (p *program) ramdiskBuilt(r *ramdisk.Report, began time.Time) {
	if r.Note != "" {
		p.screen.Say("note: %s", screen.Safe(r.Note))
	}
	how := "packages fetched"
	if r.RootReused {
		how = "packages as kept"
	}
	p.screen.Say("built Debian %s, Linux %s: kernel %s, ramdisk %s, in %s (%s)", r.Codename, r.Kernel, screen.Bytes(r.KernelBytes),
		screen.Bytes(r.InitrdBytes), screen.Duration(time.Since(began)), how)
}

// ramdiskConfig reads the flags.
func ramdiskConfig(c *cli.Context) (ramdisk.Config, error) {
	config := ramdisk.Config{
		Output: c.String("output"), Suite: c.String("suite"), Packages: c.StringSlice("package"), Keymap: c.String("keymap"), Locale: c.String("locale"),
		SerialSpeed: c.Int("serial-speed"), NoShell: c.Bool("no-shell"), Binary: c.String("binary"), Version: versionName(), Fresh: c.Bool("fresh"),
	}
	for _, text := range c.StringSlice("file") {
		f, err := ramdisk.ParseFile(text)
		if err != nil {
			return config, cmdline.Usagef("--file %v", err)
		}
		config.Files = append(config.Files, f)
	}
	if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil || seconds < 0 {
			return config, cmdline.Usagef("SOURCE_DATE_EPOCH=%s: give seconds since 1970", epoch)
		}
		config.Epoch = seconds
	}
	keys, err := ramdiskTrust(c.StringSlice("trust"))
	config.Trust = keys
	if err != nil {
		return config, err
	}
	if err := config.Check(); err != nil {
		return config, cmdline.Usagef("%v", err)
	}
	return config, nil
}

// ramdiskTrust returns the keys of --trust, without it this machine's own.
func ramdiskTrust(values []string) (keys []trust.PublicKey, err error) {
	if len(values) == 0 {
		_, key, err := senderKey()
		if err != nil {
			return nil, err
		}
		return []trust.PublicKey{key.Public()}, nil
	}
	ring, err := trust.ParseTrust(values...)
	if err != nil {
		return nil, err
	}
	if ring.AcceptsAny() {
		return nil, errors.New("--trust any: a ramdisk names the senders that it trusts: give keys, or files of them")
	}
	for key := range ring.Keys() {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b trust.PublicKey) int { return strings.Compare(a.String(), b.String()) })
	return keys, nil
}
