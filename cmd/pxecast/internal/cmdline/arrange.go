// Package cmdline reads command lines: flags before or after the arguments,
// values with units, and errors that say what was probably meant.
package cmdline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	if rest[0] == "help" { // a habit from other programs
		rest = append(slices.Clone(rest[1:]), "--help")
		if len(rest) == 1 {
			return append(out, "--help"), nil
		}
	}
	return command(app.Name, app.Commands, out, rest)
}

// command arranges rest, which begins with the name of one of the commands, and
// appends it to out. of is what is typed before that name.
func command(of string, commands []*cli.Command, out, rest []string) ([]string, error) {
	i := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(rest[0]) })
	if i < 0 {
		return nil, unknownCommand(of, commands, rest[0])
	}
	c, name := commands[i], of+" "+commands[i].Name
	out, rest = append(out, c.Name), rest[1:]
	if len(c.Subcommands) > 0 {
		switch {
		case len(rest) == 0:
			return out, nil
		case isFlag(rest[0]) && !known(c.Flags, flagName(rest[0])):
			return nil, unknownFlag(name, c.Flags, rest[0])
		case isFlag(rest[0]):
			return append(out, rest...), nil
		}
		return command(name, c.Subcommands, out, rest)
	}
	flags, positional, err := split(name, c.Flags, rest)
	if err != nil {
		return nil, err
	}
	out = append(out, flags...)
	return append(append(out, "--"), positional...), nil
}

// split sorts the words after the command into flags with their values and
// arguments.
func split(command string, defined []cli.Flag, words []string) (flags, positional []string, err error) {
	given := map[cli.Flag]bool{}
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
		f := lookup(defined, flagName(w))
		if err := once(f, given, command); err != nil {
			return nil, nil, err
		}
		flags = append(flags, w)
		if _, value, ok := strings.Cut(w, "="); ok {
			err = check(f, value)
		} else if !isBool(defined, flagName(w)) {
			i++
			if i == len(words) || isFlag(words[i]) && known(defined, flagName(words[i])) {
				return nil, nil, Usagef("%s needs a value: see `%s --help`", w, command)
			}
			flags = append(flags, words[i])
			err = check(f, words[i])
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return flags, positional, nil
}

// once refuses a flag that is given a second time though it takes one value:
// of two disks the user means one, and we can't tell which.
func once(f cli.Flag, given map[cli.Flag]bool, command string) error {
	if f == nil {
		return nil
	}
	if _, many := f.(*cli.StringSliceFlag); given[f] && !many {
		return Usagef("--%s is given twice: give it once, see `%s --help`", f.Names()[0], command)
	}
	given[f] = true
	return nil
}

// check refuses a value that is not of the flag's kind, in words.
func check(f cli.Flag, value string) (err error) {
	want := ""
	switch f.(type) {
	case *cli.DurationFlag:
		_, err = time.ParseDuration(value)
		want = "a time with its unit, such as 30s or 10m"
	case *cli.IntFlag:
		_, err = strconv.Atoi(value)
		want = "a whole number"
	case *cli.BoolFlag:
		_, err = strconv.ParseBool(value)
		want = "nothing, true or false"
	}
	if err != nil {
		return Usagef("--%s %q: give %s", f.Names()[0], value, want)
	}
	return nil
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

// lookup returns the flag of that name, nil if there is none.
func lookup(defined []cli.Flag, name string) cli.Flag {
	for _, f := range defined {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

// isBool reports whether the flag takes no value.
func isBool(defined []cli.Flag, name string) bool {
	f := lookup(defined, name)
	_, ok := f.(*cli.BoolFlag)
	return ok || f == nil && isHelp(name)
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

func unknownCommand(of string, commands []*cli.Command, name string) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.Names()...)
	}
	if near := Nearest(name, names); near != "" {
		return Usagef("%s has no command %q: did you mean %s?", of, name, near)
	}
	return Usagef("%s has no command %q: see `%s --help`", of, name, of)
}
