package sender

import (
	"fmt"
	"testing"
	"time"
)

// TestBacklogIsShort: whatever the link carries, and when that changes, it has
// always something to send and little waits for it.
func TestBacklogIsShort(t *testing.T) {
	const packet, tick = 1448, 100 * time.Microsecond
	for _, rates := range [][]float64{ // bytes a second, two seconds of each
		{250e3}, {500e3}, {2.5e6}, {125e6}, {1.25e9}, {500e3, 2.5e6, 500e3, 125e6}, {2.5e6, 0, 2.5e6},
	} {
		t.Run(fmt.Sprint(rates), func(t *testing.T) {
			var b backlog
			now, queued, again := time.Unix(1, 0), 0.0, time.Time{}
			for _, rate := range rates {
				sent, worst := 0.0, 0.0
				for i := range int(2 * time.Second / tick) {
					now = now.Add(tick)
					gone := min(queued, rate*tick.Seconds())
					queued -= gone
					if settled := i >= int(time.Second/tick); settled {
						sent += gone
						worst = max(worst, queued)
					}
					if now.Before(again) {
						continue
					}
					n, at := b.allow(now, packet, func() int { return int(queued) })
					if again = at; n == 0 {
						again = at
						if look := now.Add(announceEach); look.Before(at) {
							again = look
						}
						continue
					}
					n = min(n, 180, int(mostBacklog-queued)/(packet+wireOverhead)) // one write, as the send buffer takes it
					b.spend(n * (packet + wireOverhead))
					queued += float64(n * (packet + wireOverhead))
				}
				if most := max(1.3*rate*0.05, leastBacklog) + 2*packet; rate > 0 && worst > most {
					t.Errorf("at %.0f bytes a second %.0f wait, %.0f ms of it", rate, worst, 1000*worst/rate)
				}
				busiest := min(rate, 180*(packet+wireOverhead)/tick.Seconds())
				if sent < 0.98*busiest {
					t.Errorf("at %.0f bytes a second the link carried %.0f", rate, sent)
				}
			}
		})
	}
}
