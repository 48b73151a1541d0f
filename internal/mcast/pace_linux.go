package mcast

import (
	"time"

	"golang.org/x/sys/unix"
)

// SetPace implements Conn by SO_MAX_PACING_RATE (socket(7), tc-fq(8)).
func (w *writer) SetPace(rate int64) {
	value := ^uint64(0) // no limit
	if rate > 0 {
		value = uint64(rate)
	}
	_ = control(w.raw, func(fd int) error {
		return unix.SetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE, value)
	})
}

// Pause implements Conn. The runtime's timers have the millisecond of
// epoll_wait(2); this sleeps in the kernel.
func (w *writer) Pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	for d > 0 && unix.Nanosleep(&t, &t) == unix.EINTR {
	}
}
