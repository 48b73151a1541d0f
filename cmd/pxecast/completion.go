package main

import (
	"fmt"
	"io"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/cmd/pxecast/internal/complete"
	"github.com/urfave/cli/v2"
)

func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print a completion script for bash, zsh or fish",
		UsageText: "pxecast completion bash|zsh|fish", ArgsUsage: "SHELL",
		Description: examples("pxecast completion bash > /etc/bash_completion.d/pxecast",
			"pxecast completion zsh > /usr/local/share/zsh/site-functions/_pxecast",
			"pxecast completion fish > ~/.config/fish/completions/pxecast.fish"),
		Action: p.completion,
	}
}

func (p *program) completion(c *cli.Context) error {
	script, err := complete.Script(c.App, c.Args().First())
	if err != nil {
		return cmdline.Usagef("%v: it is one of bash, zsh, fish", err)
	}
	_, err = io.WriteString(p.out, script)
	return err
}

func (p *program) manCommand() *cli.Command {
	return &cli.Command{
		Name: "man", Usage: "print the manual page",
		UsageText:   "pxecast man",
		Description: examples("pxecast man | man -l -", "pxecast man > /usr/local/share/man/man1/pxecast.1"),
		Action: func(c *cli.Context) error {
			_, err := fmt.Fprint(p.out, complete.Man(c.App, versionName()))
			return err
		},
	}
}
