package simulation

import (
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

// TestCulprits: one of the machines that a deaf one fetches from misbehaves. No
// wrong byte reaches the disk, the time is the same, and the culprit is named.
func TestCulprits(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 57, 64<<20, true)
	var usual time.Duration
	for c, says := range []string{honest: "", wrongBytes: "wrong bytes", hangs: "in time", closesEarly: "closes", listsTooMuch: "lists"} {
		t.Run(says, func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				w := newWires()
				r.sender.MinReceivers, r.sender.Rate = 6, 60_000_000
				r.send()
				var culprit *pc
				for i := range 5 {
					pc := r.joinAs(simnet.Link{}, func(p *pc) {
						w.wired(p, []conduct{honest, conduct(c)}[i/4])
						p.config.Memory = 16 << 20
					})
					if i == 4 {
						culprit = pc
					}
				}
				deaf := r.joinAs(dataless(), func(p *pc) { w.wired(p, honest) })
				r.finish()
				r.identical()
				if says == "" {
					usual = deaf.took
				} else if deaf.took > usual*11/10 {
					r.Errorf("took %v, %v with honest machines", deaf.took, usual)
				}
				d := deaf.status.Dropped
				r.Logf("%v, dropped %v", deaf.took, d)
				switch {
				case says == "" && len(d) > 0:
					r.Errorf("dropped %v", d)
				case says != "" && (len(d) != 1 || d[0].Peer.Addr() != culprit.host.Addr() || !strings.Contains(d[0].Reason, says)):
					r.Errorf("dropped %v, want %v that %s", d, culprit.host.Addr(), says)
				}
				if n := deaf.status.Counters; says == "wrong bytes" && (n.Rejected == 0 || n.Rejected > mostWrong) {
					r.Errorf("%d blocks failed their digest", n.Rejected)
				}
			})
		})
	}
}

// mostWrong is how many wrong blocks can be on their way before the first is
// found out.
const mostWrong = 2
