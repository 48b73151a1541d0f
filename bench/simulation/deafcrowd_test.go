package simulation

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/receiver"
)

// TestCrowdWithoutMulticast: more machines ask than the sender answers in a
// second. None is left out: each hears of the session at least every three
// seconds.
func TestCrowdWithoutMulticast(t *testing.T) {
	t.Parallel()
	const machines, while = 200, 12 * time.Second
	p := newPicture(t, 43, 1<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.send()
		ctx, cancel := context.WithTimeout(context.Background(), while)
		defer cancel()
		var mu sync.Mutex
		longest := map[string]time.Duration{}
		began := time.Now()
		for i := range machines {
			host := r.net.Host(fmt.Sprintf("pc%d", i+1))
			host.SetIn(unicastOnly())
			last := began
			silent := func(now time.Time) {
				mu.Lock()
				defer mu.Unlock()
				longest[host.Name()] = max(longest[host.Name()], now.Sub(last))
				last = now
			}
			r.running.Go(func() {
				receiver.Discover(ctx, host, r.server.Addr(), func(h receiver.Heard) { silent(h.At) })
				silent(time.Now())
			})
		}
		<-ctx.Done()
		r.cancel()
		r.finish()
		worst := time.Duration(0)
		for name, d := range longest {
			worst = max(worst, d)
			if d > 3*time.Second {
				r.Errorf("%s heard nothing for %v", name, d)
			}
		}
		r.Logf("at the most %v without a word", worst)
		if len(longest) != machines {
			r.Errorf("%d machines heard of the session, want %d", len(longest), machines)
		}
	})
}
