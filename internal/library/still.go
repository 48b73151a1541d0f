package library

import "time"

// A stillness tells for how long something has been as it is.
type stillness[T comparable] struct {
	what  T
	since time.Time
}

// see notes what it is now. changed is when its file system says that it changed
// last: believed for what is seen for the first time, so that what lay there
// before need not be waited for. After that our own clock counts, since the one of
// a file server may be wrong.
func (s *stillness[T]) see(what T, changed, now time.Time) {
	switch {
	case s.since.IsZero() && changed.Before(now):
		s.what, s.since = what, changed
	case s.since.IsZero() || s.what != what:
		s.what, s.since = what, now
	}
}

// rests reports whether it has not changed for so long.
func (s *stillness[T]) rests(now time.Time, d time.Duration) bool { return now.Sub(s.since) >= d }
