package library

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"time"
)

// gather is for how long events are gathered before the folder is looked at: a
// file that is being copied makes thousands.
const gather = 250 * time.Millisecond

// Run follows the folder and packs what is new in it, until ctx ends, which is no
// error. After it no image can be taken.
func (l *Library) Run(ctx context.Context) error {
	w := newWatcher(l.cfg.Log)
	defer w.close()
	j := new(job) // under way; its channels are nil when none is
	defer func() {
		if j.done != nil {
			j.cancel()
			l.end(j, <-j.done)
		}
		l.close()
	}()
	next := l.now() // when to look at the folder
	timer := time.NewTimer(0)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-w.changes: // maybe thousands, of a file that is being copied
			if err != nil {
				l.cfg.Log.Warn("changes in the folder of images may be seen late", "err", err)
			}
			next = earlier(next, l.now().Add(gather))
			timer.Reset(next.Sub(l.now()))
			continue
		case <-timer.C:
			w.follow(l.watched())
			l.scan()
			if next = l.nextScan(); w.follow(l.watched()) {
				next = earlier(next, l.now().Add(gather))
			}
		case p := <-j.progress:
			l.shelf.progress(j, p, l.now())
		case o := <-j.done:
			l.end(j, o)
			j = new(job)
		}
		if j.done != nil && !l.shelf.needs(j) {
			j.cancel()
		}
		if b := l.shelf.next(); j.done == nil && b != nil {
			j = l.start(ctx, b)
		}
		if l.publish() {
			l.cfg.Changed()
		}
		timer.Reset(next.Sub(l.now()))
	}
}

// scan looks at the folder, at what is beside the images, and asks the cache for
// what is new.
func (l *Library) scan() {
	now := l.now()
	entries, err := os.ReadDir(l.cfg.Folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// What is packed can be had still.
		l.lose(err)
		return
	}
	l.lose(err)
	var found []glance
	for _, e := range entries {
		file := e.Name()
		if ignored(file) || len(found) == maxFiles {
			continue
		}
		if g, ok := look(l.cfg.Folder, file, func(s stamp) bool { return l.shelf.wants(file, s) }); ok {
			found = append(found, g)
		}
	}
	l.shelf.see(now, found)
	names := make(map[string]bool)
	for _, b := range l.shelf.books {
		if !b.odd {
			names[b.name] = true
		}
	}
	for name := range names {
		l.beside.see(l.cfg.Folder, name, now, l.rest)
	}
	l.beside.keep(names)
	l.lookup(now)
}

// lose notes whether the folder can be read, and tells when that changes.
func (l *Library) lose(err error) {
	switch {
	case err != nil && !l.lost:
		l.cfg.Log.Error("the folder of images can't be read", "err", err)
	case err == nil && l.lost:
		l.cfg.Log.Info("the folder of images is there again", "folder", l.cfg.Folder)
	}
	l.lost = err != nil
}

// lookup asks the cache for images that nobody has asked it for.
func (l *Library) lookup(now time.Time) {
	for _, b := range l.shelf.unlooked() {
		b.looked = true
		p, err := l.cfg.Cache.Lookup(l.path(b.file), l.cfg.Level)
		if p == nil && err == nil {
			continue
		}
		if err == nil {
			p, err = fit(p)
		}
		l.shelf.finish(b.file, b.seen.content(), outcome{p, err}, now, l.reason)
	}
}

// end takes the outcome of a job.
func (l *Library) end(j *job, o outcome) {
	l.shelf.finish(j.file, j.of, o, l.now(), l.reason)
}

// nextScan returns when to look at the folder if nothing happens.
func (l *Library) nextScan() time.Time {
	now := l.now()
	next := now.Add(l.rescan)
	for _, at := range []time.Time{l.shelf.wake(now), l.beside.wake(now, l.rest)} {
		if !at.IsZero() {
			next = earlier(next, at)
		}
	}
	return next
}

// publish makes what is known now what others see, and reports whether that is
// anything new.
func (l *Library) publish() bool {
	shot := snapshotOf(l.shelf, l.beside)
	l.mu.Lock()
	fresh := !reflect.DeepEqual(shot.images, l.shot.images)
	l.shot = shot
	l.drop()
	l.mu.Unlock()
	if fresh {
		l.log(shot)
	}
	return fresh
}

// close closes all that is open. What was last known of the images stays.
func (l *Library) close() {
	for _, b := range l.shelf.books {
		l.shelf.reset(b)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shot = &snapshot{entries: l.shot.entries, images: l.shot.images, scripts: l.shot.scripts}
	l.drop()
}

// drop closes what nobody can take any more; l.mu is held.
func (l *Library) drop() {
	for _, p := range l.shelf.dropped {
		p.Close()
	}
	l.shelf.dropped = nil
}

// watched returns the folders whose changes matter.
func (l *Library) watched() []string {
	folders := []string{l.cfg.Folder}
	for name := range l.beside {
		folders = append(folders, l.path(name+besideEnding))
	}
	return folders
}

// log tells what has become of each file since it was told the last time, but not
// how far packing is.
func (l *Library) log(shot *snapshot) {
	told := make(map[string]string, len(shot.images))
	for _, i := range shot.entries {
		file := i.file
		text, _, _ := strings.Cut(i.Problem, ",")
		if text == "" {
			text = i.ID.Short()
		}
		if told[file] = text; l.told[file] == text {
			continue
		}
		if i.Problem == "" {
			l.cfg.Log.Info("image can be had", "file", file, "id", i.ID.Short(), "bytes", i.RawSize, "packed", i.PackedSize)
		} else {
			l.cfg.Log.Info("image can't be had", "file", file, "why", i.Problem)
		}
	}
	for file := range l.told {
		if _, ok := told[file]; !ok {
			l.cfg.Log.Info("image is gone", "file", file)
		}
	}
	l.told = told
}
