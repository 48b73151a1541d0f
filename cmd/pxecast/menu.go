package main

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/ramdisk/menu"
	"github.com/urfave/cli/v2"
)

// menuCommand is for the ramdisk's init, and so not in the list of commands.
func (p *program) menuCommand() *cli.Command {
	return &cli.Command{
		Name: "menu", Usage: "show the menu of a machine that was booted to be imaged", Hidden: true,
		UsageText: "pxecast menu --console TERMINAL [--console TERMINAL ...] [flags]",
		Description: "This is what runs in the ramdisk: it shows the images of the boot server on every\n" +
			"console at once, has somebody choose image and disk, or does so by itself, and\n" +
			"overwrites that disk. It ends only when it is told to.\n\n" +
			"Without a kind, the kernel's own terminals (/dev/tty1) are screens, and all others get lines.\n\n" +
			examples("pxecast menu --console /dev/tty1 --console /dev/ttyS0",
				"pxecast menu --console /dev/pts/3=screen --options \"pxecast.server=192.168.1.2\""),
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "console", Usage: "show it on the `TERMINAL` PATH, or PATH=screen, or PATH=lines"},
			&cli.StringFlag{Name: "options", Usage: "take `WORDS` for the kernel command line (default: /proc/cmdline)"},
		},
		Action: p.menu,
	}
}

func (p *program) menu(c *cli.Context) error {
	cfg := menu.Config{Log: slog.New(slog.NewTextHandler(p.err, nil))}
	for _, s := range c.StringSlice("console") {
		console, err := menu.ParseConsole(s)
		if err != nil {
			return cmdline.Usagef("--%v", err)
		}
		cfg.Consoles = append(cfg.Consoles, console)
	}
	if len(cfg.Consoles) == 0 {
		return cmdline.Usagef("menu needs --console TERMINAL: for example: %s", example(c.Command))
	}
	words := c.String("options")
	if !c.IsSet("options") {
		b, err := os.ReadFile("/proc/cmdline")
		if err != nil {
			return fmt.Errorf("what is this machine to do: %w", err)
		}
		words = string(b)
	}
	cfg.Options = menu.ParseOptions(words)
	var err error
	if cfg.Program, err = os.Executable(); err != nil {
		return err
	}
	return menu.Run(c.Context, cfg)
}
