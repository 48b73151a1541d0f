package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// version is stamped by -ldflags "-X main.version=…".
var version string

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "show the version", UsageText: "pxecast version",
		Action: func(*cli.Context) error { return p.showVersion() },
	}
}

func (p *program) showVersion() error {
	_, err := fmt.Fprintf(p.out, "pxecast %s (%s/%s, %s)\n", versionName(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

// versionName returns the stamped version, or what the Go toolchain knows of
// the module or the commit it was built from.
func versionName() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "devel-" + s.Value[:12]
		}
	}
	return "devel"
}
