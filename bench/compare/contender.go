package main

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// A Contender is a way to bring an image to many disks.
type Contender interface {
	// Name is short and the same in every run: results are kept under it.
	Name() string
	// Timed says in one line what its time covers.
	Timed() string
	// CommandLines are what a user would type: the sender's, a receiver's.
	CommandLines(Scenario) []string
	// Restores tells whether the targets hold the image when it has run.
	Restores() bool
	// Run images every receiver of the lab once. Host 0 sends. An error means
	// that not every receiver has the image.
	Run(context.Context, *lab.Lab, Scenario) (Outcome, error)
}

// Scenario is what is to be done, and with what.
type Scenario struct {
	report.Scenario
	Files   files
	Targets []string      // the file that each receiver writes, each in a folder of its own
	Work    string        // folder of all these, for keys, caches and logs too
	Timeout time.Duration // of one run: it hangs
}

// files are the forms of an image that contenders send.
type files struct {
	Gzip string // the user's own
	Raw  string // unpacked
	Zstd string // Raw compressed by zstd; "" if no contender needs it
}

// Outcome is what a run was like at both ends.
type Outcome struct {
	Sender  report.Usage
	Clients []report.Client // in the order of Scenario.Targets
}

// typed writes a command line as a user would type it, without the folders that
// are this run's own.
func (s Scenario) typed(args []string) string {
	words := make([]string, len(args))
	for i, arg := range args {
		arg = strings.ReplaceAll(arg, s.Work+"/", "")
		arg = strings.ReplaceAll(arg, s.Files.Gzip, filepath.Base(s.Files.Gzip))
		if i == 0 {
			arg = filepath.Base(arg)
		}
		if strings.ContainsRune(arg, ' ') {
			arg = "'" + arg + "'"
		}
		words[i] = arg
	}
	return strings.Join(words, " ")
}
