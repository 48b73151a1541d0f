// Package menu is what a machine shows that was booted to be imaged, and what it
// does where nobody looks: it asks the boot server what there is, has a person or
// the server's orders choose image and disk, runs `pxecast receive` and the
// image's scripts, and restarts.
//
// The menu itself is a value (model): events go in, actions come out, and frame
// is what there is to see. It knows no clock, terminal or network. Around it,
// each console has its own goroutine that shows the newest frame; all show the
// same and take keys.
package menu

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/trust"
	"golang.org/x/sync/errgroup"
)

// Config is what a menu needs. The zero value of each field but Consoles and
// Program has a meaning.
type Config struct {
	Consoles []Console
	Options  Options
	Program  string                      // pxecast itself, for receive
	Shell    []string                    // command of the shell; default /bin/sh -l
	Root     string                      // before /sys, /proc and /run; default /
	Trusted  string                      // file of trusted keys; default trust.SystemFile
	Temp     string                      // folder for scripts; default /run
	Disks    func() ([]disk.Info, error) // default disk.List
	Power    func(off bool) error        // restarts or switches off; default: this machine
	Log      *slog.Logger                // default: none
}

func (c *Config) defaults() error {
	if len(c.Consoles) == 0 {
		return errors.New("the menu has no console to show itself on")
	}
	if c.Program == "" {
		return errors.New("the menu does not know the program that receives")
	}
	if len(c.Shell) == 0 {
		c.Shell = []string{"/bin/sh", "-l"}
	}
	if c.Root == "" {
		c.Root = "/"
	}
	if c.Trusted == "" {
		c.Trusted = trust.SystemFile
	}
	if c.Temp == "" {
		c.Temp = "/run"
	}
	if c.Disks == nil {
		c.Disks = disk.List
	}
	if c.Power == nil {
		c.Power = powerOff
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// keyring is who may make offers: the keys that were built in, and those on the
// kernel command line.
func (c *Config) keyring() (*trust.Keyring, error) {
	words := c.Options.Trust
	if _, err := os.Stat(c.Trusted); !errors.Is(err, fs.ErrNotExist) {
		words = append([]string{c.Trusted}, words...)
	}
	if len(words) == 0 {
		return new(trust.Keyring), nil
	}
	return trust.ParseTrust(words...)
}

// Run shows the menu until ctx ends. It ends by itself only with an error of its
// configuration.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.defaults(); err != nil {
		return err
	}
	ring, err := cfg.keyring()
	if err != nil {
		// Nothing is trusted then; what is wrong is on the screen.
		cfg.Options.Wrong = append(cfg.Options.Wrong, err.Error())
		ring = new(trust.Keyring)
	}
	g, ctx := errgroup.WithContext(ctx)
	s := newShell(ctx, &cfg, ring)
	for _, c := range s.consoles {
		g.Go(func() error { c.run(ctx); return nil })
	}
	g.Go(func() error { return s.run(ctx) })
	err = g.Wait()
	s.work.Wait()
	return err
}

// tickEach moves countdowns; a second is seen to jump at half of that.
const tickEach = 250 * time.Millisecond

// shell is the menu's connection to the world: it carries out the model's
// actions and brings it what came of them.
type shell struct {
	cfg      *Config
	ring     *trust.Keyring
	model    *model
	events   chan event
	consoles []*console
	last     *console                // the one that a key came from, for its shell
	server   *server                 // nil: no address yet
	stop     context.CancelCauseFunc // of the job at work
	work     sync.WaitGroup
	listing  atomic.Bool
	reports  *reports
}

func newShell(ctx context.Context, cfg *Config, ring *trust.Keyring) *shell {
	s := &shell{cfg: cfg, ring: ring, events: make(chan event, 64)}
	medium, _ := os.ReadFile(filepath.Join(cfg.Root, "run/pxecast/boot-medium"))
	s.model = newModel(cfg.Options, machineAt(cfg.Root), trimmed(medium), time.Now())
	for _, c := range cfg.Consoles {
		s.consoles = append(s.consoles, newConsole(c, func(from *console, k key) {
			s.send(ctx, consoleKey{from, k})
		}))
	}
	s.last = s.consoles[0]
	s.reports = newReports()
	return s
}

// consoleKey is a key with where it was pressed.
type consoleKey struct {
	from *console
	key  key
}

// send brings an event to the model. Keys and lines of scripts wait their turn:
// whoever makes more of them than we take is slowed down.
func (s *shell) send(ctx context.Context, e event) {
	select {
	case s.events <- e:
	case <-ctx.Done():
	}
}

// run owns the model.
func (s *shell) run(ctx context.Context) error {
	tick := time.NewTicker(tickEach)
	defer tick.Stop()
	s.work.Go(func() { s.reports.run(ctx) })
	s.handle(ctx, netEvent{networkAt(s.cfg.Root)})
	s.list(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-s.events:
			if k, ok := e.(consoleKey); ok {
				s.last, e = k.from, keyEvent{k.key}
			}
			s.handle(ctx, e)
		case <-tick.C:
			if n := networkAt(s.cfg.Root); n != s.model.network {
				s.handle(ctx, netEvent{n})
			}
			s.handle(ctx, tickEvent{})
		}
	}
}

func (s *shell) handle(ctx context.Context, e event) {
	clear := false
	for _, a := range s.model.handle(e, time.Now()) {
		if _, ok := a.(repaint); ok {
			clear = true
			continue
		}
		s.act(ctx, a)
	}
	f := s.model.frame()
	for _, c := range s.consoles {
		c.show(&f, clear)
	}
}
