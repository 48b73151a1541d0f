// Command pxecast puts one disk image on a room full of machines by multicast.
// This package is flags and wiring; what the commands do is in the packages
// that they call.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/urfave/cli/v2"
)

// program is what the commands have in common.
type program struct {
	in       *os.File
	out, err *os.File
	screen   *screen.Screen // on err
	lines    chan string    // of in, once a question was asked
}

func main() {
	p := &program{in: os.Stdin, out: os.Stdout, err: os.Stderr, screen: screen.New(os.Stderr)}
	os.Exit(p.run(os.Args))
}

// run executes one command line and returns the exit status.
func (p *program) run(args []string) int {
	app := p.app()
	args, err := cmdline.Arrange(app, args)
	if err == nil {
		ctx, stop := interruptible()
		defer stop()
		err = app.RunContext(ctx, args)
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	if err == nil {
		return exitDone
	}
	code := exitStatus(err)
	var said *reportedError
	if !errors.As(err, &said) {
		fmt.Fprintln(p.err, "pxecast:", oneLine(err))
	}
	return code
}

const description = `A sender multicasts an image once; every machine that receives writes it to its
disk. Lost packets heal, and a disk counts as done only when every block on it
has the digest that the image has.

   on the server:          pxecast send lab.img.gz
   on each machine:        pxecast receive --disk /dev/sda
   what is being sent:     pxecast list
   all of it over PXE:     pxecast serve`

// app defines the command line.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name:        "pxecast",
		Usage:       "put one disk image on a room full of machines",
		UsageText:   "pxecast COMMAND [flags] [argument]",
		Description: description,
		Flags:       []cli.Flag{&cli.BoolFlag{DisableDefaultText: true, Name: "version", Usage: "show the version"}},
		Commands: []*cli.Command{
			p.sendCommand(), p.receiveCommand(), p.benchCommand(), p.listCommand(),
			p.packCommand(), p.inspectCommand(), p.verifyCommand(), p.serveCommand(), p.ramdiskCommand(), p.keyCommand(),
			p.completionCommand(), p.manCommand(), p.versionCommand(), p.menuCommand(),
		},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				return p.showVersion()
			}
			return cli.ShowAppHelp(c)
		},
		HideVersion:     true, // the flag of cli's own has a shorthand that is easily taken for --verbose
		HideHelpCommand: true,
		Writer:          p.out,
		ErrWriter:       io.Discard,
		ExitErrHandler:  func(*cli.Context, error) {},
	}
	prepare(app.Name, app.Commands)
	return app
}

// prepare gives commands what they have in common. of is what is typed before
// their names.
func prepare(of string, commands []*cli.Command) {
	for _, c := range commands {
		name := of + " " + c.Name
		c.HideHelpCommand = true
		c.CustomHelpTemplate = name + commandHelp
		c.OnUsageError = usageError(name)
		if len(c.Subcommands) > 0 {
			prepare(name, c.Subcommands)
			continue
		}
		c.Before = checkArgument(c)
	}
}

// commandHelp, after the command's name, is cli's own without the headings that
// say nothing.
const commandHelp = ` - {{.Usage}}

USAGE:
   {{.UsageText}}
{{if .Description}}
{{.Description}}
{{end}}{{if .VisibleCommands}}
COMMANDS:{{range .VisibleCommands}}
   {{.Name}}  {{.Usage}}{{end}}
{{end}}{{if .VisibleFlags}}
FLAGS:{{range .VisibleFlags}}
   {{.}}{{end}}
{{end}}`

// usageError takes what cli says of a flag's value.
func usageError(name string) cli.OnUsageErrorFunc {
	return func(_ *cli.Context, err error, _ bool) error {
		return cmdline.Usagef("%v: see `%s --help`", err, name)
	}
}

// checkArgument refuses a command line with too few or too many arguments.
func checkArgument(command *cli.Command) cli.BeforeFunc {
	return func(c *cli.Context) error {
		want := 0
		if command.ArgsUsage != "" {
			want = 1
		}
		switch n := c.Args().Len(); {
		case n < want:
			return cmdline.Usagef("%s needs %s: for example: %s", c.Command.Name, command.ArgsUsage, example(command))
		case n > want && want == 0:
			return cmdline.Usagef("%s takes no argument, and %q is one: for example: %s", command.Name, c.Args().First(), example(command))
		case n > want:
			return cmdline.Usagef("%s takes one %s, and %q is one more: for example: %s", command.Name, command.ArgsUsage, c.Args().Get(want), example(command))
		}
		return nil
	}
}
