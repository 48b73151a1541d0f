package menu

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// ConsoleKind is what a console can do.
type ConsoleKind string

const (
	// ScreenConsole is redrawn as a whole: a virtual terminal, or any that knows
	// the few sequences of ECMA-48 that are used.
	ScreenConsole ConsoleKind = "screen"
	// LineConsole only ever gets lines added: a serial line, whatever is at its
	// other end.
	LineConsole ConsoleKind = "lines"
)

// Console is a terminal that shows the menu and takes keys.
type Console struct {
	Path string
	Kind ConsoleKind
}

// ParseConsole reads PATH or PATH=KIND. Without a kind the kernel's virtual
// terminals are screens and all others get lines.
func ParseConsole(s string) (Console, error) {
	path, kind, given := strings.Cut(s, "=")
	c := Console{path, ConsoleKind(kind)}
	switch {
	case !strings.HasPrefix(path, "/"):
		return c, fmt.Errorf("console %q: give the path of a terminal, such as /dev/tty1 or /dev/ttyS0", s)
	case given && c.Kind != ScreenConsole && c.Kind != LineConsole:
		return c, fmt.Errorf("console %q: its kind is screen or lines", s)
	case given:
	case virtual(path):
		c.Kind = ScreenConsole
	default:
		c.Kind = LineConsole
	}
	return c, nil
}

// virtual reports whether path is one of the kernel's virtual terminals.
func virtual(path string) bool {
	n, ok := strings.CutPrefix(filepath.Clean(path), "/dev/tty")
	return ok && n != "" && strings.Trim(n, "0123456789") == ""
}

// terminalType is TERM for programs on the console.
func (c Console) terminalType() string {
	if virtual(c.Path) {
		return "linux"
	}
	return "vt100"
}

const (
	reopen      = 2 * time.Second        // between attempts at a console that is not there
	loneEscape  = 150 * time.Millisecond // in which the rest of a sequence comes, at 1200 baud too
	briefEach   = 5 * time.Second        // between lines that tell how it goes on
	fullRedraws = 15 * time.Second       // against what the kernel wrote over a screen
)

// console serves one Console. Each has its own goroutines: one that blocks, such
// as a serial line that nobody reads, holds up no other.
type console struct {
	Console
	keys  func(*console, key)
	mu    sync.Mutex
	want  *frame        // the newest
	clear bool          // draw all of it
	news  chan struct{} // want changed
	lent  chan func(*os.File)
}

func newConsole(c Console, keys func(*console, key)) *console {
	return &console{Console: c, keys: keys, news: make(chan struct{}, 1), lent: make(chan func(*os.File))}
}

// show hands over what is to be seen.
func (c *console) show(f *frame, clear bool) {
	c.mu.Lock()
	c.want, c.clear = f, c.clear || clear
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// redraw shows the newest frame again, all of it.
func (c *console) redraw() {
	c.mu.Lock()
	c.clear = true
	c.mu.Unlock()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

func (c *console) newest() (f *frame, clear bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear, c.clear = c.clear, false
	return c.want, clear
}

// run serves until ctx ends. A console that goes is opened again.
func (c *console) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.serve(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(reopen):
		}
	}
}

// serve opens the terminal and serves it until it fails.
func (c *console) serve(ctx context.Context) {
	tty, err := os.OpenFile(c.Path, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer tty.Close() // ends a read that is going on
	if raw(tty) != nil {
		return
	}
	defer sane(tty)
	// A write may wait for a line whose flow is stopped.
	defer context.AfterFunc(ctx, func() { tty.SetDeadline(time.Now()) })()
	for {
		read := make(chan error, 1)
		go func() { read <- c.read(tty) }()
		program, err := c.draw(ctx, tty, read)
		if err != nil {
			return
		}
		// A program has the terminal to itself.
		tty.SetReadDeadline(time.Now())
		<-read
		sane(tty)
		program(tty)
		tty.SetReadDeadline(time.Time{})
		if ctx.Err() != nil {
			return
		}
		if raw(tty) != nil {
			return
		}
		c.redraw()
	}
}

// raw takes over a terminal: what is typed comes as it is, and is echoed by us.
// What was typed before is for somebody else.
func raw(tty *os.File) error {
	return control(tty, func(fd int) error {
		if _, err := term.MakeRaw(fd); err != nil {
			return err
		}
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		t.Cflag |= unix.CLOCAL | unix.CREAD // a line without carrier is a line
		unix.IoctlSetTermios(fd, unix.TCSETS, t)
		return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH)
	})
}

// sane sets a terminal as programs expect it, however it was left to us.
func sane(tty *os.File) error {
	return control(tty, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		t.Iflag = t.Iflag&^(unix.IGNCR|unix.INLCR|unix.ISTRIP) | unix.ICRNL | unix.IXON | unix.BRKINT
		t.Oflag |= unix.OPOST | unix.ONLCR
		t.Lflag |= unix.ISIG | unix.ICANON | unix.ECHO | unix.ECHOE | unix.ECHOK | unix.IEXTEN
		return unix.IoctlSetTermios(fd, unix.TCSETSW, t)
	})
}

func control(tty *os.File, do func(fd int) error) error {
	conn, err := tty.SyscallConn()
	if err != nil {
		return err
	}
	failed := conn.Control(func(fd uintptr) { err = do(int(fd)) })
	return errors.Join(failed, err)
}

// read hands on keys until the terminal fails or its deadline is set.
func (c *console) read(tty *os.File) error {
	var d decoder
	b := make([]byte, 256)
	for {
		n, err := tty.Read(b)
		for _, k := range d.feed(b[:n]) {
			c.keys(c, k)
		}
		if err != nil {
			return err
		}
		if !d.waiting() {
			continue
		}
		if c.quiet(tty) {
			for _, k := range d.flush() {
				c.keys(c, k)
			}
		}
	}
}

// quiet reports whether nothing comes for a moment.
func (c *console) quiet(tty *os.File) bool {
	n := 0
	control(tty, func(fd int) error {
		n, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(loneEscape/time.Millisecond))
		return nil
	})
	return n <= 0
}

// draw shows frames until the terminal fails, ctx ends or a program is to have
// it, which is returned.
func (c *console) draw(ctx context.Context, tty *os.File, read <-chan error) (func(*os.File), error) {
	var p painter = &linePainter{}
	if c.Kind == ScreenConsole {
		p = &screenPainter{}
	}
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		if f, clear := c.newest(); f != nil {
			if out := p.paint(f, clear, time.Now()); len(out) > 0 {
				tty.SetWriteDeadline(time.Now().Add(time.Minute)) // a line with its flow stopped
				if _, err := tty.Write(out); err != nil {
					return nil, err
				}
			}
		}
		select {
		case <-c.news:
		case <-again.C:
		case program := <-c.lent:
			return program, nil
		case err := <-read:
			return nil, err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lend gives the terminal to a program for as long as it runs; false if it isn't
// there.
func (c *console) lend(ctx context.Context, program func(*os.File)) bool {
	select {
	case c.lent <- program:
		return true
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return false
}
