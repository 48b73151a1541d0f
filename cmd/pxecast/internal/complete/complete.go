// Package complete writes what is generated from the definition of the command
// line: completion scripts for shells and the manual page.
package complete

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// option is a flag as generators need it.
type option struct {
	name  string
	usage string // without the quotes around the value's name
	value string // the value's name; "" for a switch
	text  string // default value, "" none
}

// words are the values that a flag or argument can take, where they are few.
var words = map[string]string{
	"level": "default better",
	"rate":  "auto", "parity": "auto", "trust": "any", "SHELL": "bash zsh fish",
}

// files are the flags and arguments that name files.
var files = map[string]bool{"disk": true, "output": true, "trust": true, "file": true, "binary": true, "IMAGE": true, "PACKED": true}

func options(flags []cli.Flag) []option {
	list := []option{}
	for _, f := range flags {
		o := option{name: f.Names()[0]}
		if d, ok := f.(cli.DocGenerationFlag); ok {
			o.usage = d.GetUsage()
			if d.TakesValue() {
				o.value, o.usage = unquote(o.usage)
				o.text = strings.Trim(d.GetDefaultText(), `"`)
			}
		}
		list = append(list, o)
	}
	return append(list, option{name: "help", usage: "show help"})
}

// unquote takes the value's name out of a usage text: "use `IF`" is IF, "use IF".
func unquote(usage string) (value, text string) {
	before, rest, ok := strings.Cut(usage, "`")
	name, after, closed := strings.Cut(rest, "`")
	if !ok || !closed {
		return "VALUE", usage
	}
	return name, before + name + after
}

// Script returns the completion script for a shell.
func Script(app *cli.App, shell string) (string, error) {
	switch shell {
	case "bash":
		return bash(app), nil
	case "zsh":
		return zsh(app), nil
	case "fish":
		return fish(app), nil
	}
	return "", fmt.Errorf("no completion for %q", shell)
}

func names(commands []*cli.Command) []string {
	var list []string
	for _, c := range commands {
		list = append(list, c.Name)
	}
	return list
}

// A leaf is a command that does something, by what is typed to call it:
// "send", or "ramdisk build".
type leaf struct {
	*cli.Command
	path string
}

func leaves(app *cli.App) (list []leaf) {
	for _, c := range app.VisibleCommands() {
		if len(c.Subcommands) == 0 {
			list = append(list, leaf{c, c.Name})
		}
		for _, s := range c.Subcommands {
			list = append(list, leaf{s, c.Name + " " + s.Name})
		}
	}
	return list
}

// groups returns the commands that only have other commands in them.
func groups(app *cli.App) (list []*cli.Command) {
	for _, c := range app.VisibleCommands() {
		if len(c.Subcommands) > 0 {
			list = append(list, c)
		}
	}
	return list
}
