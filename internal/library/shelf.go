package library

import (
	"slices"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/image"
)

const (
	maxFiles   = 5000            // in the folder that are looked at
	retryAfter = 5 * time.Minute // of a failure whose cause is not in the file
	askAgain   = 2 * time.Second // whether a writer is still there
)

// A state is how far an image is.
type state int

const (
	arriving   state = iota // it may still be written to
	refused                 // no image
	unreadable              // looked at again each time
	waiting                 // to be packed
	packing
	failed // to be packed, until the file changes or retry comes
	ready
)

// A book is what a shelf holds about one file.
type book struct {
	file, name string // name: without ending, for the folder beside
	seen       stamp  // the last time
	still      stillness[stamp]
	state      state
	why        string        // of refused, unreadable, failed
	retry      time.Time     // of failed; zero: when the file changes
	progress   string        // of packing: ", 43 %, 2 min left"
	looked     bool          // of waiting: the cache was asked
	packed     *image.Packed // of ready
	odd        bool          // is called by its whole file name: it never was an image's
}

// A shelf holds what is known of the files in the folder and decides what is to be
// done about them. It belongs to one goroutine, reads no clock and touches no file.
type shelf struct {
	rest    time.Duration // for which a file must not have changed
	books   map[string]*book
	dropped []*image.Packed // to be closed by the owner when nobody can ask for them any more
}

func newShelf(rest time.Duration) *shelf { return &shelf{rest: rest, books: make(map[string]*book)} }

// wants reports whether a file in the state s has to be opened to know more.
func (s *shelf) wants(file string, st stamp) bool {
	b := s.books[file]
	return b == nil || b.state == arriving || b.state == unreadable || s.changed(b, st)
}

// changed reports whether what is known of b is outdated. What failed may have
// failed for its permissions, which content does not include.
func (s *shelf) changed(b *book, now stamp) bool {
	if b.state == refused || b.state == unreadable || b.state == failed {
		return b.seen != now
	}
	return b.seen.content() != now.content()
}

// see takes all that one look at the folder found.
func (s *shelf) see(now time.Time, found []glance) {
	names := imageNames(found)
	here := make(map[string]bool, len(found))
	for _, g := range found {
		here[g.file] = true
		b := s.books[g.file]
		if b == nil {
			b = &book{file: g.file, name: image.NameOf(g.file)}
			s.books[g.file] = b
		}
		if s.changed(b, g.stamp) {
			s.reset(b)
		}
		b.seen = g.stamp
		b.still.see(g.stamp, g.stamp.changed(), now)
		if b.state == failed && !b.retry.IsZero() && !now.Before(b.retry) {
			b.state = waiting
		}
		if b.state <= unreadable {
			b.decide(&g, names, now, s.rest)
		}
	}
	for file, b := range s.books {
		if !here[file] {
			s.reset(b)
			delete(s.books, file)
		}
	}
}

// imageNames returns the names of what may be images, to know which folders are
// beside one.
func imageNames(found []glance) map[string]bool {
	names := make(map[string]bool)
	for _, g := range found {
		if !g.folder {
			names[image.NameOf(g.file)] = true
		}
	}
	return names
}

// reset forgets what was decided about a file.
func (s *shelf) reset(b *book) {
	if b.packed != nil {
		s.dropped = append(s.dropped, b.packed)
	}
	*b = book{file: b.file, name: b.name, seen: b.seen, still: b.still}
}

// decide moves a book on from arriving, refused or unreadable.
func (b *book) decide(g *glance, names map[string]bool, now time.Time, rest time.Duration) {
	settle := func(s state, why string) { b.state, b.why, b.odd = s, why, s == refused }
	switch {
	case g.folder:
		settle(refused, folderFault(g.file, names))
	case g.fault != "":
		settle(unreadable, g.fault)
	case b.state == refused:
	case unfinishedEnding(g.file) != "":
		settle(arriving, ", as its ending "+unfinishedEnding(g.file)+" says")
	case !g.opened:
	case nameFault(b.name) != "":
		settle(refused, nameFault(b.name))
	case g.writing || !b.still.rests(now, rest):
		settle(arriving, "")
	default:
		if why := judge(g.file, g.stamp.size, g.head); why != "" {
			settle(refused, why)
			break
		}
		settle(waiting, "")
	}
}

// folderFault tells what a folder is; "" for one beside an image, which is none
// of the things to show.
func folderFault(file string, names map[string]bool) string {
	name, ok := strings.CutSuffix(file, besideEnding)
	switch {
	case !ok:
		return "a folder, not an image"
	case names[name]:
		return ""
	case names[image.NameOf(name)]:
		return "the folder beside an image has its name without endings: call it " + image.NameOf(name) + besideEnding
	}
	return "a folder beside an image " + name + " that is not there"
}

// next returns what to pack now: the smallest, so that most are there soonest.
func (s *shelf) next() *book {
	var first *book
	for _, b := range s.books {
		if b.state == waiting && (first == nil || b.seen.size < first.seen.size ||
			b.seen.size == first.seen.size && b.file < first.file) {
			first = b
		}
	}
	return first
}

// unlooked returns what the cache has to be asked for.
func (s *shelf) unlooked() (books []*book) {
	for _, b := range s.sorted() {
		if b.state == waiting && !b.looked {
			books = append(books, b)
		}
	}
	return books
}

// sorted returns the books by their files.
func (s *shelf) sorted() []*book {
	books := make([]*book, 0, len(s.books))
	for _, b := range s.books {
		books = append(books, b)
	}
	slices.SortFunc(books, func(a, b *book) int { return strings.Compare(a.file, b.file) })
	return books
}

// wake returns when something changes by time alone; zero when nothing does.
func (s *shelf) wake(now time.Time) (first time.Time) {
	for _, b := range s.books {
		switch {
		case b.state == failed && !b.retry.IsZero():
			first = earlier(first, b.retry)
		case b.state == arriving && b.why == "":
			at := b.still.since.Add(s.rest)
			if !at.After(now) { // it rests, and is open for writing
				at = now.Add(min(askAgain, s.rest))
			}
			first = earlier(first, at)
		}
	}
	return first
}
