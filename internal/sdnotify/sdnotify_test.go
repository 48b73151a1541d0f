package sdnotify

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// systemd listens as the service manager does.
func systemd(t *testing.T) (next func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		b := make([]byte, 1000)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestMessages(t *testing.T) {
	next := systemd(t)
	for want, say := range map[string]func() error{
		"READY=1":                      Ready,
		"STOPPING=1":                   Stopping,
		"STATUS=2 images, 30 machines": func() error { return Status("2 images, 30 machines") },
		"STATUS=packing a MAINPID=1 é": func() error { return Status("packing a\nMAINPID=1\té") },
	} {
		if err := say(); err != nil {
			t.Fatal(err)
		}
		if got := next(); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	never := func(context.Context) bool { t.Error("asked"); return true }
	if err := errors.Join(Ready(), Status("x"), Stopping(), Watchdog(t.Context(), never)); err != nil {
		t.Error(err)
	}
}

// The watchdog hears from a service that lives, and nothing from one that hangs.
func TestWatchdog(t *testing.T) {
	next := systemd(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var asked atomic.Int32
	hung := make(chan struct{})
	go func() {
		done <- Watchdog(ctx, func(context.Context) bool {
			if asked.Add(1) == 6 {
				close(hung)
			}
			return asked.Load() <= 3
		})
	}()
	for range 3 {
		if got := next(); got != "WATCHDOG=1" {
			t.Errorf("%q", got)
		}
	}
	<-hung
	if err := Status("the next message"); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "STATUS=the next message" {
		t.Errorf("a service that hangs says %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
