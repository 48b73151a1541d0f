package menu

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// act carries out an action of the model without waiting for it.
func (s *shell) act(ctx context.Context, a action) {
	switch a := a.(type) {
	case askOffer:
		s.ask(ctx, a)
	case listDisks:
		s.list(ctx)
	case startJob:
		s.start(ctx, a)
	case stopJob:
		if s.stop != nil {
			s.stop(errStopped)
		}
	case tellServer:
		s.cfg.Log.Info("event", "kind", a.event.Kind, "text", a.event.Text)
		s.reports.add(a.event)
	case openShell:
		c := s.last
		s.work.Go(func() { c.lend(ctx, func(tty *os.File) { s.interactive(ctx, tty) }) })
	case power:
		s.work.Go(func() { s.power(ctx, a.off) })
	}
}

// ask asks for an offer, and looks at the disks meanwhile: some come late.
func (s *shell) ask(ctx context.Context, a askOffer) {
	if s.server == nil || s.server.address != a.address {
		s.server = newServer(a.address, s.ring)
		s.reports.to(s.server)
	}
	server := s.server
	s.work.Go(func() {
		o, key, err := server.offer(ctx, a.machine)
		s.send(ctx, offerEvent{o, key, err})
	})
	s.list(ctx)
}

// list looks at the disks. A disk that hangs holds up the answer and nothing
// else.
func (s *shell) list(ctx context.Context) {
	if !s.listing.CompareAndSwap(false, true) {
		return
	}
	go func() { // not in work: nothing ends a read of a dead disk
		defer s.listing.Store(false)
		disks, err := s.cfg.Disks()
		s.send(ctx, diskEvent{disks, err})
	}()
}

// start runs a job.
func (s *shell) start(parent context.Context, a startJob) {
	ctx, stop := context.WithCancelCause(parent)
	s.stop = stop
	r := &runner{
		cfg: s.cfg, server: s.server,
		tell:  s.reports.add,
		stage: func(at stage, lines []string) { s.send(ctx, stageEvent{at, lines}) },
		got:   func(p progress) { s.send(ctx, statusEvent{p}) },
	}
	s.work.Go(func() {
		o := r.run(ctx, a.job)
		if cause := context.Cause(ctx); errors.Is(cause, errStopped) {
			o.err, o.again = errStopped, false
		}
		stop(nil)
		s.send(parent, endEvent{o})
	})
}

// interactive runs a shell on a console that is lent, with it as its controlling
// terminal, so that ^C and job control work there.
func (s *shell) interactive(ctx context.Context, tty *os.File) {
	path := tty.Name()
	own, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	defer own.Close()
	own.Fd() // makes it blocking, as a shell wants it
	at := Console{Path: path}
	for _, c := range s.consoles {
		if c.Path == path {
			at = c.Console
		}
	}
	if at.Kind == ScreenConsole {
		own.WriteString("\x1b[2J\x1b[H")
	}
	own.WriteString("\r\nexit brings the menu back.\r\n")
	cmd := exec.CommandContext(ctx, s.cfg.Shell[0], s.cfg.Shell[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = own, own, own
	cmd.Dir = "/"
	cmd.Env = append(environ("TERM"), "TERM="+at.terminalType())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	// What a script started in the background ignores these, and so would the
	// shell and all that it starts.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP)
	defer signal.Stop(signals)
	err = cmd.Run()
	s.cfg.Log.Info("shell ended", "console", path, "error", err)
	if err != nil && cmd.ProcessState == nil {
		own.WriteString("no shell: " + err.Error() + "\r\n")
		time.Sleep(2 * time.Second) // to be read
	}
}

// environ is the environment without some names.
func environ(without ...string) (env []string) {
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		keep := true
		for _, w := range without {
			keep = keep && w != name
		}
		if keep {
			env = append(env, e)
		}
	}
	return env
}

// power ends this machine's run, when the server was told what there was to tell.
func (s *shell) power(ctx context.Context, off bool) {
	within, stop := context.WithTimeout(ctx, 5*time.Second)
	s.reports.flush(within)
	stop()
	unix.Sync()
	if err := s.cfg.Power(off); err != nil {
		s.send(ctx, powerEvent{err})
	}
}

// powerOff restarts this machine or switches it off, without asking init: there
// is nothing to end in an orderly way.
func powerOff(off bool) error {
	if off {
		return unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// trimmed is a file's text without the blanks around it.
func trimmed(b []byte) string { return strings.TrimSpace(string(b)) }
