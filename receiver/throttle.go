package receiver

import (
	"context"
	"sync"
	"time"
)

// throttle spreads what is written over time. The zero value limits nothing.
type throttle struct {
	rate int64 // bytes a second; 0 no limit
	mu   sync.Mutex
	paid time.Time // when the rate has made up for all that was written
}

// credit is for how much idle time more may be written at once: as much as
// workers are late at times.
const credit = 50 * time.Millisecond

// book takes note that n bytes are going to be written and returns how long
// that must wait.
func (t *throttle) book(now time.Time, n int64) time.Duration {
	if t.rate <= 0 {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if least := now.Add(-credit); t.paid.Before(least) {
		t.paid = least
	}
	wait := t.paid.Sub(now)
	t.paid = t.paid.Add(time.Duration(float64(n) / float64(t.rate) * float64(time.Second)))
	return max(0, wait)
}

// wait books n bytes and waits until they may be written, or for ctx.
func (t *throttle) wait(ctx context.Context, n int64) error {
	d := t.book(time.Now(), n)
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
