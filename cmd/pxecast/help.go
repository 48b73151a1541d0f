package main

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// examples writes the examples of a command, one on each line, for its help.
func examples(lines ...string) string {
	return "EXAMPLES:\n   " + strings.Join(lines, "\n   ")
}

// example returns the first example of a command.
func example(c *cli.Command) string {
	_, rest, ok := strings.Cut(c.Description, "EXAMPLES:\n")
	if !ok {
		return c.UsageText
	}
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}
