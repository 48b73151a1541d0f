package library

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// A watcher tells that something in some folders has changed. What it was does not
// matter: the folder is looked at again. It may fail for good (the user's limit of
// inotify watches): then there is the rescan.
type watcher struct {
	fs      *fsnotify.Watcher // nil: there is none
	log     *slog.Logger
	changes chan error // not nil when some were lost; room for one, which stands for all
	known   map[string]bool
	wg      sync.WaitGroup
}

func newWatcher(log *slog.Logger) *watcher {
	w := &watcher{log: log, changes: make(chan error, 1), known: make(map[string]bool)}
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		w.lament("", err)
		return w
	}
	w.fs = fs
	w.wg.Go(w.pass)
	return w
}

// pass hands events on until close.
func (w *watcher) pass() {
	for {
		var lost error
		var ok bool
		select {
		case _, ok = <-w.fs.Events:
		case lost, ok = <-w.fs.Errors:
		}
		if !ok {
			return
		}
		select {
		case w.changes <- lost:
		default: // one is waiting
		}
	}
}

// follow watches these folders and reports whether one of them is new: it may have
// changed before it was watched. One that was watched before may be another by
// now, with the same name, so all are watched anew.
func (w *watcher) follow(folders []string) (fresh bool) {
	known := make(map[string]bool)
	for _, f := range folders {
		known[f] = true
		if !w.known[f] {
			fresh = true
		}
		if w.fs == nil {
			continue
		}
		if err := w.fs.Add(f); err != nil && !w.known[f] {
			w.lament(f, err)
		}
	}
	w.known = known
	return fresh
}

func (w *watcher) lament(folder string, err error) {
	w.log.Warn("changes in the folder of images are seen late", "err", fmt.Errorf("watch %s: %w", folder, err))
}

func (w *watcher) close() {
	if w.fs != nil {
		w.fs.Close()
		w.wg.Wait()
	}
}
