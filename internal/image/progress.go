package image

import (
	"sync"
	"time"
)

// Progress says how far packing or verifying is.
type Progress struct {
	InBytes     int64 // of the input read so far
	InTotal     int64 // of the input in all, 0 when unknown
	RawBytes    int64 // of the raw image done, holes included
	PackedBytes int64 // of the packed image written, or verified
}

// progressInterval is short enough to look alive and long enough to cost nothing.
const progressInterval = 100 * time.Millisecond

// A meter passes progress on, at most once an interval and never twice at a
// time. It may be used by many goroutines.
type meter struct {
	report func(Progress) // may be nil
	mu     sync.Mutex
	next   time.Time
}

// tick reports now() if a report is due.
func (m *meter) tick(now func() Progress) {
	if m.report == nil || !m.mu.TryLock() {
		return
	}
	defer m.mu.Unlock()
	if t := time.Now(); t.After(m.next) {
		m.next = t.Add(progressInterval)
		m.report(now())
	}
}

// finish reports the end.
func (m *meter) finish(p Progress) {
	if m.report != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.report(p)
	}
}
