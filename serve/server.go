// Package serve is a boot server: machines that are switched on boot from it over
// the network, show its images in a menu, and get the one that is chosen, or that
// a rule names, in a session that opens when the first of them wants it.
//
// The parts are below: package boot brings machines up, package library has the
// images, package sender sends them. Here they are put together, with what a
// server's owner decides (Settings) and what is known of each machine.
package serve

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/boot"
	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/library"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/sdnotify"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/sender"
	"golang.org/x/sync/errgroup"
)

// Config is what a server needs. Network, Key and Cache must be set, and what
// Settings call their default is filled in, see Settings.Fill.
type Config struct {
	Settings Settings
	Network  mcast.Network
	Rate     int64 // bits a second of each session; 0 follow link, receivers and loss
	Key      *trust.Key
	Cache    image.Cache // of packed images
	Level    image.Level // to pack at
	Log      *slog.Logger
	Ready    func()       // machines can boot from now on
	Status   func(Status) // four times a second while anything changes
	News     func(News)   // one at a time
}

// Status is what a server looks like at one moment.
type Status struct {
	Images   []catalog.Image
	Sessions []sender.Status
	Machines []MachineStatus
}

// server is the parts while they run.
type server struct {
	cfg      Config
	library  *library.Library
	sessions *sessions
	room     *room
	changes  chan struct{}
	booting  quota // what is told of machines that boot

	mu     sync.Mutex // one piece of news at a time
	images []catalog.Image
}

// Run serves until ctx ends, which is no error; the sessions that are open end with it, and their
// machines carry on from one another.
func Run(ctx context.Context, cfg Config) error {
	s := &server{cfg: cfg, room: newRoom(), changes: make(chan struct{}, 1)}
	var err error
	s.library, err = library.Open(library.Config{Folder: cfg.Settings.Images, Cache: cfg.Cache, Level: cfg.Level, Log: cfg.Log, Changed: s.looked})
	if err != nil {
		return err
	}
	services, err := cfg.Settings.boot(cfg.Network)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	s.sessions = &sessions{
		ctx: ctx, take: s.library.Take, network: cfg.Network, key: cfg.Key, gather: cfg.Settings.Gather.Duration, rate: cfg.Rate,
		lanes: sender.Lanes(cfg.Network), changed: s.changed, notice: s.notice, ended: s.ended, open: map[image.ID]*session{},
	}
	services.Menu, services.Handler, services.Events = s.bootMenu, s.api().handler(), s.booted
	services.Ready, services.Log = cfg.Ready, cfg.Log
	s.looked()
	group.Go(func() error { return s.library.Run(ctx) })
	group.Go(func() error { return boot.Run(ctx, services) })
	group.Go(func() error { return sdnotify.Watchdog(ctx, s.alive) })
	group.Go(func() error { s.show(ctx); return nil })
	err = group.Wait()
	s.sessions.wait.Wait()
	return err
}

// alive returns when nothing that the parts share is held for ever.
func (s *server) alive(context.Context) bool {
	s.sessions.statuses()
	s.room.machines()
	s.library.Images()
	return true
}

// changed says that the status is another. It never waits.
func (s *server) changed() {
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// show hands out the status while it changes.
func (s *server) show(ctx context.Context) {
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.changes:
		}
		now := time.Now()
		open := s.sessions.statuses()
		for i := range open {
			s.room.receives(now, &open[i])
		}
		s.cfg.Status(Status{Images: s.library.Images(), Sessions: open, Machines: s.room.machines()})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *server) news(n News) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.News(n)
}

// looked compares the library's images with what people were told of them.
func (s *server) looked() {
	now := s.library.Images()
	s.mu.Lock()
	before := s.images
	s.images = now
	s.mu.Unlock()
	for i := range now {
		if !slices.ContainsFunc(before, func(b catalog.Image) bool { // two may have one name: a folder lab beside lab.img.gz
			return b.Name == now[i].Name && b.ID == now[i].ID && kindOf(b.Problem) == kindOf(now[i].Problem)
		}) {
			s.news(News{Image: &now[i]})
		}
	}
	s.changed()
}

// ended tells of a session that is over.
func (s *server) ended(st sender.Status, err error) {
	s.room.receives(time.Now(), &st)
	s.news(News{Session: &SessionNews{Status: st, Err: err}})
}

// told takes what a machine tells of itself.
func (s *server) told(from netip.Addr, e *catalog.Event) {
	m := s.room.says(time.Now(), from, e)
	s.news(News{Machine: &MachineNews{MachineStatus: m, Event: e}})
	s.changed()
}

// notice takes what people should know of a session.
func (s *server) notice(n sender.Notice) { s.news(News{Notice: &n}) }

// kindOf is what does not change of a problem while something goes on: "being
// packed" of "being packed, 43 %, 2 min left".
func kindOf(problem string) string {
	kind, _, _ := strings.Cut(problem, ",")
	return kind
}
