package library

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"
)

// companions are the folders beside images, by their names without ending. They
// belong to the goroutine that scans.
type companions map[string]*companion

type companion struct {
	still   stillness[string]
	read    bool // content is of what still has seen
	content beside
}

// see looks at the folder beside the images called name. Its content is taken when
// nobody has changed anything in it for a while: half a script, signed, would be
// run by a whole room.
func (c companions) see(folder, name string, now time.Time, rest time.Duration) {
	path := filepath.Join(folder, name+besideEnding)
	print, err := printBeside(path)
	if errors.Is(err, fs.ErrNotExist) {
		delete(c, name)
		return
	}
	f := c[name]
	if f == nil {
		f = new(companion)
		c[name] = f
	}
	if err != nil {
		f.read, f.still = false, stillness[string]{}
		f.content = beside{problem: filepath.Base(path) + " can't be read: " + cause(err).Error()}
		return
	}
	before := f.still
	if f.still.see(print.files, print.changed, now); f.still != before {
		f.read = false
	}
	switch {
	case f.read:
	case print.writing || !f.still.rests(now, rest):
		f.content = beside{problem: filepath.Base(path) + " is being changed"}
	default:
		f.content = readBeside(path)
		after, err := printBeside(path)
		f.read = err == nil && after.files == print.files && !after.writing
		if !f.read {
			f.content = beside{problem: filepath.Base(path) + " is being changed"}
		}
	}
}

// keep forgets the folders beside images that are gone.
func (c companions) keep(names map[string]bool) {
	for name := range c {
		if !names[name] {
			delete(c, name)
		}
	}
}

// wake returns when the first of them will have rested; zero when none waits.
func (c companions) wake(now time.Time, rest time.Duration) (first time.Time) {
	for _, f := range c {
		if f.read || f.still.since.IsZero() {
			continue
		}
		at := f.still.since.Add(rest)
		if !at.After(now) {
			at = now.Add(rest)
		}
		first = earlier(first, at)
	}
	return first
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
