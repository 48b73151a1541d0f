package receiver

import (
	"errors"
	"fmt"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

const (
	// stallTold is how long a disk may do nothing before people are told, and
	// stallEnd before it is taken for dead: more than the kernel takes to try a
	// command three times over. Some disks answer after half a minute.
	stallTold = 5 * time.Second
	stallEnd  = 2 * time.Minute

	// flushEnd is stallEnd while the disk flushes, of which nothing is seen: an image
	// file may have all of a machine's memory to be written to a slow stick.
	flushEnd = 15 * time.Minute

	// stallLeft is how long Run waits for a disk when it fails. What a slow one
	// has under way takes a second or two.
	stallLeft = 10 * time.Second
)

// ErrStuck says that a call to the target has not returned when Run did, and may
// never: to close the target would wait for it.
var ErrStuck = errors.New("the disk still holds on to a read or write: this process should end")

// stall is since when the disk has done nothing though it should.
type stall struct {
	moved  int64 // what it had done by then, in bytes
	since  time.Time
	looked time.Time
}

// watch looks at what the disk does.
func (s *session) watch(now time.Time) {
	p := s.pipe
	busy := p.scan != nil && !s.state.Over() && (s.queued > 0 || !s.zeros || s.ending)
	asleep := now.Sub(s.stall.looked) > stallTold // we, and the disk's workers with us
	s.stall.looked = now
	if s.stall.since.IsZero() || !busy || asleep || p.throttle.waits(now) {
		s.stall.since = now
		return
	}
	moved := p.written.Load() + p.zeroWrites(0) + p.compared().Bytes + s.verified.Load()
	if moved != s.stall.moved {
		s.stall.moved, s.stall.since = moved, now
	}
}

// stalled says for how long the disk has done nothing, "" if it is not worth a
// word.
func (s *session) stalled(now time.Time) string {
	still := now.Sub(s.stall.since).Round(time.Second)
	switch {
	case s.stall.since.IsZero(), still < stallTold:
		return ""
	case s.state == protocol.ReceiverVerifying:
		return fmt.Sprintf("the disk has not answered for %v", still)
	case s.ending:
		return fmt.Sprintf("the disk has been flushing for %v", still)
	}
	return fmt.Sprintf("the disk has taken nothing for %v", still)
}

// mayHang returns for how long the disk may do nothing now.
func (s *session) mayHang() time.Duration {
	if s.ending && s.state != protocol.ReceiverVerifying {
		return flushEnd
	}
	return stallEnd
}

// waits reports whether the limit keeps writes from the disk.
func (t *throttle) waits(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.paid.After(now)
}

// left waits for what the disk may keep from ending: after a failure for a
// while only, as nothing interrupts a write that hangs. It returns false if it
// has not ended; what it uses must stay.
func left(failed error, wait func()) bool {
	if failed == nil {
		wait()
		return true
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		wait()
	}()
	timer := time.NewTimer(stallLeft)
	defer timer.Stop()
	select {
	case <-over:
		return true
	case <-timer.C:
		return false
	}
}
