package library

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/source"
	"golang.org/x/sys/unix"
)

// The smallest image first.
func TestNext(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := newShelf(defaultRest)
	var found []glance
	for i, size := range []int64{3 << 20, 1 << 20, 2 << 20, 1 << 20} {
		found = append(found, glance{file: fmt.Sprintf("%d.img", i), stamp: stamp{size: size, ctime: 1}, opened: true, head: []byte(at(0, ""))})
	}
	s.see(now, found)
	var got string
	for b := s.next(); b != nil; b = s.next() {
		got += b.file[:1]
		s.finish(b.file, b.seen.content(), outcome{err: errors.New("no")}, now, error.Error)
	}
	if got != "1320" {
		t.Errorf("packed in the order %s", got)
	}
	if !s.wake(now).IsZero() {
		t.Errorf("wakes at %v for nothing", s.wake(now))
	}
}

// A clock of a file server that is wrong makes nobody take half a file, and nobody
// wait for ever.
func TestWrongClock(t *testing.T) {
	now := time.Unix(1700000000, 0)
	for _, wrong := range []time.Duration{-time.Hour, time.Hour} {
		s := newShelf(defaultRest)
		g := glance{file: "lab.img", stamp: stamp{size: 512}, opened: true, head: []byte(at(0, ""))[:512]}
		for range 5 {
			now = now.Add(time.Second)
			g.stamp.size += 512
			g.stamp.ctime = now.Add(wrong).UnixNano()
			s.see(now, []glance{g})
		}
		if st := s.books["lab.img"].state; st != arriving {
			t.Errorf("clock wrong by %v: state %d while it grows", wrong, st)
		}
		if wake := s.wake(now); !wake.Equal(now.Add(defaultRest)) {
			t.Errorf("clock wrong by %v: looks again at %v, it is %v", wrong, wake, now)
		}
		s.see(now.Add(defaultRest), []glance{g})
		if st := s.books["lab.img"].state; st != waiting {
			t.Errorf("clock wrong by %v: state %d when it rests", wrong, st)
		}
	}
}

func TestOutside(t *testing.T) {
	for _, err := range []error{unix.ENOSPC, source.ErrNoQemu, unix.EACCES} {
		if !outside(fmt.Errorf("pack: %w", err)) {
			t.Errorf("%v: not tried again", err)
		}
	}
	if outside(errors.New("it ends early")) || outside(nil) {
		t.Error("tried again in vain")
	}
}

func TestProgressText(t *testing.T) {
	for _, c := range []struct {
		in, total int64
		elapsed   time.Duration
		want      string
	}{
		{0, 100, time.Minute, ""},
		{50, 0, time.Minute, ""},
		{43, 100, time.Second, ", 43 %"},
		{43, 100, 90 * time.Second, ", 43 %, 2 min left"},
		{99, 100, time.Minute, ", 99 %, less than a minute left"},
		{1, 100, time.Minute, ", 1 %, 1 h 39 min left"},
		{100, 100, time.Minute, ", 100 %, less than a minute left"},
		{120, 100, time.Minute, ", 100 %, less than a minute left"},
		{1, 1 << 40, time.Hour, ", 0 %"},
	} {
		got := progressText(image.Progress{InBytes: c.in, InTotal: c.total}, c.elapsed)
		if got != c.want {
			t.Errorf("%d of %d after %v: %q; want %q", c.in, c.total, c.elapsed, got, c.want)
		}
	}
}
