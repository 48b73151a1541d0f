// Package cmdline reads command lines: flags before or after the arguments,
// values with units, and errors that say what was probably meant.
package cmdline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// A UsageError says that the command line is wrong: exit status 2.
type UsageError struct{ text string }

func (e *UsageError) Error() string { return e.text }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// Arrange returns args, which begin with the program's name, with the flags of
// the command put before its arguments: cli takes flags that follow an argument
// for arguments. "--" ends the flags. Unknown commands and flags, and flags
// without their value, are UsageErrors.
func Arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	out, rest := args[:1:1], args[1:]
	for len(rest) > 0 && isFlag(rest[0]) {
		if !known(app.Flags, flagName(rest[0])) {
			return nil, unknownFlag(app.Name, app.Flags, rest[0])
		}
		out, rest = append(out, rest[0]), rest[1:]
	}
	if len(rest) == 0 {
		return out, nil
	}
	c := app.Command(rest[0])
	if c == nil {
		return nil, unknownCommand(app, rest[0])
	}
	flags, positional, err := split(app.Name+" "+c.Name, c.Flags, rest[1:])
	if err != nil {
		return nil, err
	}
	out = append(append(out, c.Name), flags...)
	return append(append(out, "--"), positional...), nil
}

// split sorts the words after the command into flags with their values and
// arguments.
func split(command string, defined []cli.Flag, words []string) (flags, positional []string, err error) {
	for i := 0; i < len(words); i++ {
		w := words[i]
		switch {
		case w == "--":
			return flags, append(positional, words[i+1:]...), nil
		case !isFlag(w):
			positional = append(positional, w)
			continue
		case !known(defined, flagName(w)):
			return nil, nil, unknownFlag(command, defined, w)
		}
		flags = append(flags, w)
		if strings.Contains(w, "=") || isBool(defined, flagName(w)) {
			continue
		}
		i++
		if i == len(words) || isFlag(words[i]) && known(defined, flagName(words[i])) {
			return nil, nil, Usagef("%s needs a value: see `%s --help`", w, command)
		}
		flags = append(flags, words[i])
	}
	return flags, positional, nil
}

// isFlag reports whether a word is a flag; "-" alone is standard input.
func isFlag(w string) bool { return len(w) > 1 && w[0] == '-' }

func flagName(w string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(w[1:], "-"), "=")
	return name
}

func isHelp(name string) bool { return name == "help" || name == "h" }

func known(defined []cli.Flag, name string) bool {
	return isHelp(name) || slices.ContainsFunc(defined, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// isBool reports whether the flag takes no value.
func isBool(defined []cli.Flag, name string) bool {
	for _, f := range defined {
		if slices.Contains(f.Names(), name) {
			_, ok := f.(*cli.BoolFlag)
			return ok
		}
	}
	return isHelp(name)
}

func unknownFlag(command string, defined []cli.Flag, w string) error {
	names := []string{"help"}
	for _, f := range defined {
		names = append(names, f.Names()...)
	}
	given, _, _ := strings.Cut(w, "=")
	if near := Nearest(flagName(w), names); near != "" {
		return Usagef("%s has no flag %s: did you mean --%s?", command, given, near)
	}
	return Usagef("%s has no flag %s: see `%s --help`", command, given, command)
}

func unknownCommand(app *cli.App, name string) error {
	var names []string
	for _, c := range app.Commands {
		names = append(names, c.Names()...)
	}
	if near := Nearest(name, names); near != "" {
		return Usagef("%s has no command %q: did you mean %s?", app.Name, name, near)
	}
	return Usagef("%s has no command %q: see `%s --help`", app.Name, name, app.Name)
}
