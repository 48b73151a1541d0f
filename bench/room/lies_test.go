package room

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestPeersThatLie: one machine of five lies to those that hear no data and so
// fetch from others, be it one of them or all. No wrong byte is on any disk, all
// end well, and the liar is named. How much longer it takes than with honest ones
// is logged.
func TestPeersThatLie(t *testing.T) {
	t.Parallel()
	for _, deaf := range []string{"one", "all"} {
		var mu sync.Mutex
		took := map[string]time.Duration{}
		t.Cleanup(func() {
			for lie, d := range took {
				t.Logf("%s deaf, %q: %.1f s, %+.1f %%", deaf, lie, d.Seconds(), 100*(d.Seconds()/took[""].Seconds()-1))
			}
		})
		for _, lie := range append([]string{""}, slices.Sorted(maps.Keys(lies))...) {
			t.Run(fmt.Sprintf("%s deaf, one %s", deaf, cmp.Or(lie, "more is honest")), func(t *testing.T) {
				t.Parallel()
				d := newRoom(t, 5).lied(lie, deaf == "all")
				mu.Lock()
				defer mu.Unlock()
				took[lie] = d
			})
		}
	}
}

// lied plays a room in which machine 4 lies and machine 5 is deaf, or all are. It
// returns how long the last of the deaf ones took.
func (r *room) lied(lie string, all bool) (took time.Duration) {
	image := r.packed(48 << 20)
	for i := 1; i <= 5; i++ {
		if all || i == 5 {
			r.rules(i, noData)
		}
	}
	s := r.send(image, "--min-receivers", "5", "--rate", "60M", "--linger", "100ms")
	receivers := r.receiveAll(3, "--linger", "2s")
	self, err := os.Executable()
	if err != nil {
		r.Fatal(err)
	}
	var culprit *process
	if lie == "" {
		culprit = r.receive(4, "--linger", "2s")
	} else {
		culprit = r.run(4, append(slices.Clone(r.home), asLiar+"="+lie), self, r.disk(4))
	}
	receivers = append(receivers, culprit, r.receive(5, "--linger", "2s"))
	r.allWell(image, s, receivers)
	named := false
	for i, p := range receivers {
		if lie != "" && p == culprit {
			continue
		}
		told := r.events(p)
		end := told[len(told)-1] // lanes and peers_dropped of its JSON
		r.Logf("receiver %d: %.1f s, %+v, dropped %v", i+1, p.took.Seconds(), end.Lanes, end.Dropped)
		if all || i == 4 {
			took = max(took, p.took)
			if end.Lanes.Multicast > 0 || end.Lanes.Peer == 0 {
				r.Errorf("receiver %d: blocks by lane: %+v", i+1, end.Lanes)
			}
		}
		named = r.names(4, lie, told) || named
	}
	if told := strings.Contains(culprit.stdout.String(), lied); lie != "" && !told {
		r.Error("nobody was lied to")
	} else if lie != "" && !named {
		r.Errorf("nobody says that machine 4 %s", lies[lie])
	}
	return took
}

// names reports whether a receiver names a host for its lie, and checks that it
// accuses no other of one. (Any may be slow on a busy machine, or leave while it
// is asked. One that hangs also closes early when it leaves: the notice told of
// the first, the end tells of the last.)
func (r *room) names(host int, lie string, told []own) (named bool) {
	r.Helper()
	address := r.lab.Host(host).Addr().String() + ":"
	for _, e := range told {
		named = named || e.Kind == "peer" && strings.HasPrefix(e.Text, address) && lie != "" && strings.HasSuffix(e.Text, lies[lie])
	}
	for _, d := range told[len(told)-1].Dropped {
		liar := lie != "" && strings.HasPrefix(d.Address, address)
		if !liar && d.Reason != lies["hangs"] && d.Reason != lies["closes"] {
			r.Errorf("an honest machine is accused: %s %s", d.Address, d.Reason)
		}
		named = named || liar && d.Reason == lies[lie]
	}
	return named
}
