package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/screen"
)

// Exit statuses.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitSome        = 3 // of several receivers some failed
	exitInterrupted = 130
)

// errSome says that the image is on some disks and not on others.
var errSome = errors.New("some receivers failed")

// errInterrupted is the cause of a context that a signal ended.
var errInterrupted error = interruption{}

type interruption struct{}

func (interruption) Error() string { return "interrupted" }

// Is makes an interruption what contexts usually end by.
func (interruption) Is(target error) bool { return target == context.Canceled }

// reportedError is an error that the user has been told already.
type reportedError struct{ error }

func (e *reportedError) Unwrap() error { return e.error }

// exitStatus returns the exit status that an error means.
func exitStatus(err error) int {
	var usage *cmdline.UsageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errSome):
		return exitSome
	}
	return exitFailed
}

// interruptible returns a context that the first SIGINT or SIGTERM ends, with
// errInterrupted; the second one ends the process at once. A shell that starts
// us in the background has SIGINT ignored, so its default would not do that.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		first := time.Now()
		cancel(errInterrupted)
		for range signals {
			// timeout, sudo and others send to us and then to our whole group:
			// that is one wish, not a second.
			if time.Since(first) > time.Second/2 {
				os.Exit(exitInterrupted)
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// oneLine writes an error as people are told it.
func oneLine(err error) string {
	return screen.Safe(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}
