package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
)

// TestSlowLinkAdmits: on a link of some megabits, of whose rate nobody told the
// sender, machines that come while it sends have their places within a second: the
// answers do not wait behind seconds of data.
func TestSlowLinkAdmits(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 51, 12<<20, true)
	for _, rate := range []int64{2e6, 4e6, 20e6} {
		t.Run(fmt.Sprintf("%d Mbit/s", rate/1e6), func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				r.server.SetOut(simnet.Link{Rate: rate})
				r.sender.Linger = 5 * time.Second
				begin := time.Now()
				r.send()
				r.join(simnet.Link{})
				for range 4 {
					pass(3 * time.Second)
					if place := r.place(10 * time.Second); place > time.Second {
						r.Errorf("a place after %v", place)
					}
				}
				r.finish()
				r.identical()
				wire := float64(r.status.Traffic.Bytes) * 8 / float64(rate)
				r.Logf("sent %.2f × packed in %.2f × the wire's time for that", r.overhead(), (time.Since(begin)-r.sender.Linger).Seconds()/wire)
			})
		})
	}
}

// place switches a machine on and returns how long it takes until it has a place.
func (r *room) place(most time.Duration) time.Duration {
	p := r.join(simnet.Link{})
	came := time.Now()
	for p.host.Counters().Sent[protocol.TypeReport].Datagrams == 0 && time.Since(came) < most {
		pass(20 * time.Millisecond)
	}
	return time.Since(came)
}
