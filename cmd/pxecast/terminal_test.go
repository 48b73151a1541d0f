package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal INPUT STATUS COMMAND ARG...: runs the command at a terminal where the
// file INPUT is typed; its exit status is STATUS. What the terminal showed is in
// the file tty, what went to standard output in the file out.
//
// (The library's ttyin hangs up as soon as the command has ended, and at times
// what the command showed last is lost with it.)
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: terminal INPUT STATUS COMMAND ARG...")
	}
	screen, line, err := openTerminal()
	ts.Check(err)
	defer screen.Close()
	out, err := os.Create(ts.MkAbs("out"))
	ts.Check(err)
	defer out.Close()
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	c := exec.CommandContext(ctx, args[2], args[3:]...)
	c.Dir, c.Env = ts.MkAbs("."), ts.Value(environment{}).([]string)
	c.Stdin, c.Stdout, c.Stderr = line, out, line
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = c.Start()
	line.Close()
	ts.Check(err)
	_, err = io.WriteString(screen, ts.ReadFile(args[0])+"\x04") // Ctrl-D
	ts.Check(err)
	// It ends with EIO: when the last one has closed the terminal and all that
	// it showed has been read (tty_ioctl(4), pty(7)).
	shown, err := io.ReadAll(screen)
	if !errors.Is(err, unix.EIO) {
		ts.Check(err)
	}
	err = c.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		ts.Check(err)
	}
	ts.Logf("%s", shown)
	ts.Check(os.WriteFile(ts.MkAbs("tty"), []byte(strings.ReplaceAll(string(shown), "\r\n", "\n")), 0o600))
	if status := strconv.Itoa(c.ProcessState.ExitCode()); status != args[1] {
		ts.Fatalf("exit status %s, want %s", status, args[1])
	}
}

// openTerminal returns both ends of a new terminal: where people sit, and where
// programs do.
func openTerminal() (screen, line *os.File, err error) {
	screen, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(screen.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		line, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		screen.Close()
		return nil, nil, err
	}
	return screen, line, nil
}
