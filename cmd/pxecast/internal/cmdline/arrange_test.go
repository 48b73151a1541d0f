package cmdline

import (
	"errors"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func app() *cli.App {
	return &cli.App{
		Name:  "pxecast",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "version"}},
		Commands: []*cli.Command{
			{Name: "send", Flags: []cli.Flag{
				&cli.StringFlag{Name: "rate"}, &cli.BoolFlag{Name: "json"}, &cli.BoolFlag{Name: "no-gso"},
				&cli.StringFlag{Name: "output", Aliases: []string{"o"}}, &cli.StringSliceFlag{Name: "trust"},
				&cli.DurationFlag{Name: "wait"}, &cli.IntFlag{Name: "ttl"},
			}},
			{Name: "list"},
			{Name: "ramdisk", Subcommands: []*cli.Command{{Name: "build", Flags: []cli.Flag{&cli.StringFlag{Name: "suite"}}}}},
		},
	}
}

func TestArrange(t *testing.T) {
	for in, want := range map[string]string{
		"send a.img --rate 5M":            "send --rate 5M -- a.img",
		"send --rate 5M a.img":            "send --rate 5M -- a.img",
		"send --rate=5M a.img --json":     "send --rate=5M --json -- a.img",
		"send a.img --json b":             "send --json -- a.img b",
		"send -rate 5M - -o x":            "send -rate 5M -o x -- -",
		"send --json=false a.img":         "send --json=false -- a.img",
		"send --json -- --rate":           "send --json -- --rate",
		"send --rate -5 a.img":            "send --rate -5 -- a.img",
		"--version":                       "--version",
		"send --help":                     "send --help --",
		"send a.img -h":                   "send -h -- a.img",
		"list":                            "list --",
		"help":                            "--help",
		"help send":                       "send --help --",
		"send --trust a x --trust b":      "send --trust a --trust b -- x",
		"send --wait 5s --ttl=3 x":        "send --wait 5s --ttl=3 -- x",
		"":                                "",
		"ramdisk":                         "ramdisk",
		"ramdisk --help":                  "ramdisk --help",
		"ramdisk build x --suite sid":     "ramdisk build --suite sid -- x",
		"help ramdisk build":              "ramdisk build --help --",
		"help ramdisk":                    "ramdisk --help",
		"send a.img -- --json --unknown ": "send -- a.img --json --unknown",
	} {
		got, err := Arrange(app(), append([]string{"pxecast"}, strings.Fields(in)...))
		if err != nil || strings.Join(got[1:], " ") != want {
			t.Errorf("Arrange(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestArrangeRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"sned a.img":                `pxecast has no command "sned": did you mean send?`,
		"dance":                     "pxecast has no command \"dance\": see `pxecast --help`",
		"ramdisk buidl":             `pxecast ramdisk has no command "buidl": did you mean build?`,
		"ramdisk --suite sid":       "pxecast ramdisk has no flag --suite: see `pxecast ramdisk --help`",
		"ramdisk build --siute sid": "pxecast ramdisk build has no flag --siute: did you mean --suite?",
		"--verison":                 "pxecast has no flag --verison: did you mean --version?",
		"send a.img --rat 5M":       "pxecast send has no flag --rat: did you mean --rate?",
		"send a.img --jsno":         "pxecast send has no flag --jsno: did you mean --json?",
		"send a.img --nogso":        "pxecast send has no flag --nogso: did you mean --no-gso?",
		"send a.img --colour=blue":  "pxecast send has no flag --colour: see `pxecast send --help`",
		"send a.img --rate":         "--rate needs a value: see `pxecast send --help`",
		"send --rate --json a.img":  "--rate needs a value: see `pxecast send --help`",
		"send -o a x --output b":    "--output is given twice: give it once, see `pxecast send --help`",
		"send --wait 5":             `--wait "5": give a time with its unit, such as 30s or 10m`,
		"send --ttl=x":              `--ttl "x": give a whole number`,
		"send --json=maybe":         `--json "maybe": give nothing, true or false`,
		"list --rate 5M":            "pxecast list has no flag --rate: see `pxecast list --help`",
	} {
		_, err := Arrange(app(), append([]string{"pxecast"}, strings.Fields(in)...))
		var usage *UsageError
		if !errors.As(err, &usage) || err.Error() != want {
			t.Errorf("Arrange(%q): %v; want %s", in, err, want)
		}
	}
}
