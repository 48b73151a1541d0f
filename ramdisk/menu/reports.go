package menu

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
)

const (
	// mostReports wait for a server that is away. A job makes four; when more
	// come the oldest are worth the least.
	mostReports = 32
	// reportFor is how long one of them is tried.
	reportFor = 10 * time.Minute
)

// reports brings events to the server, in their order, for as long as that takes.
type reports struct {
	mu     sync.Mutex
	queue  []report
	server *server
	news   chan struct{} // to be looked at
	idle   chan struct{} // closed when the queue is empty; nil while nobody waits
}

type report struct {
	event catalog.Event
	until time.Time
}

func newReports() *reports { return &reports{news: make(chan struct{}, 1)} }

func (r *reports) wake() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *reports) add(e catalog.Event) {
	r.mu.Lock()
	r.queue = append(r.queue, report{e, time.Now().Add(reportFor)})
	r.queue = r.queue[max(0, len(r.queue)-mostReports):]
	r.mu.Unlock()
	r.wake()
}

func (r *reports) to(s *server) {
	r.mu.Lock()
	r.server = s
	r.mu.Unlock()
	r.wake()
}

// run sends until ctx ends.
func (r *reports) run(ctx context.Context) {
	for {
		wait := r.one(ctx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-r.news:
			timer.Stop()
		}
	}
}

// one sends what it can and returns after how long to try again.
func (r *reports) one(ctx context.Context) time.Duration {
	for {
		r.mu.Lock()
		if len(r.queue) == 0 && r.idle != nil {
			close(r.idle)
			r.idle = nil
		}
		if len(r.queue) == 0 || r.server == nil {
			r.mu.Unlock()
			return time.Hour
		}
		first, server := r.queue[0], r.server
		r.mu.Unlock()
		err := server.event(ctx, &first.event)
		var no *refusedError
		if err != nil && !errors.As(err, &no) && time.Now().Before(first.until) {
			return 2 * time.Second
		}
		r.mu.Lock()
		if len(r.queue) > 0 && r.queue[0].until.Equal(first.until) {
			r.queue = r.queue[1:]
		}
		r.mu.Unlock()
	}
}

// flush returns when everything is sent, or ctx ends.
func (r *reports) flush(ctx context.Context) {
	r.mu.Lock()
	if len(r.queue) == 0 {
		r.mu.Unlock()
		return
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	r.wake()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}
