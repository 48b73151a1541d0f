// Package sdnotify tells systemd how a service is: sd_notify(3), sd_watchdog_enabled(3).
// Where no systemd asked for it, everything here does nothing and is no error.
package sdnotify

import (
	"context"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the service serves from now on (Type=notify waits for it).
func Ready() error { return send(daemon.SdNotifyReady) }

// Stopping says that the service is about to end.
func Stopping() error { return send(daemon.SdNotifyStopping) }

// Status gives the line that `systemctl status` shows.
func Status(line string) error {
	// A line more would be another message: MAINPID=1 in the name of an image.
	return send("STATUS=" + strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, line))
}

// Watchdog says that the service is alive, twice in each WatchdogSec, as long as
// alive says so, until ctx ends, which is no error. systemd restarts a service
// that it has not heard from, so alive should go through what can hang.
func Watchdog(ctx context.Context, alive func(context.Context) bool) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil || interval == 0 {
		return err
	}
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	for {
		if alive(ctx) && ctx.Err() == nil {
			if err := send(daemon.SdNotifyWatchdog); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// send keeps the environment: WATCHDOG_USEC and NOTIFY_SOCKET are asked for again.
func send(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}
