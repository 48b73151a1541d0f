package mcast_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
)

func (p *placed) Overhear(group netip.AddrPort) (e mcast.Ear, err error) {
	err = in(p.tb, p.ns, func() (err error) {
		e, err = p.Network.(mcast.Overhearer).Overhear(group)
		return err
	})
	return e, err
}

// A machine that joined nothing hears what the switch floods, and of that only
// the group it listens for. What it sends itself it does not overhear.
func TestOverhear(t *testing.T) {
	for name, networks := range map[string]func(*testing.T) []mcast.Network{
		"sockets": func(t *testing.T) []mcast.Network { return newLab(t, 2, mcast.Options{}).networks },
		"simnet": func(t *testing.T) []mcast.Network {
			n := simnet.New(1, simnet.Options{Flood: true})
			t.Cleanup(func() { n.Close() })
			return []mcast.Network{n.Host("a"), n.Host("b")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := networks(t)
			group, port, other := netip.MustParseAddrPort("232.80.88.9:26970"), netip.MustParseAddrPort("232.80.88.9:26971"), netip.MustParseAddrPort("232.80.88.8:26970")
			var ears []mcast.Ear
			for _, n := range all {
				e, err := n.(mcast.Overhearer).Overhear(group)
				if err != nil {
					t.Fatal(err)
				}
				ears = append(ears, e)
			}
			c := open(t, all[0])
			for range 5 {
				send(t, c, "to others", other)
				send(t, c, "to the group's other port", port)
				send(t, c, "to nobody", group)
			}
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for end := time.Now().Add(arrives); ears[1].Count() < 5 && time.Now().Before(end); {
				<-tick.C
			}
			<-time.After(silence) // for anything else
			if own, far := ears[0].Count(), ears[1].Count(); own != 0 || far != 5 {
				t.Errorf("overheard %d of our own and %d of another's 5 datagrams", own, far)
			}
			for _, e := range ears {
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The simulated switch sends to those that joined, unless it floods.
func TestOverhearOnASwitchThatSnoops(t *testing.T) {
	n := simnet.New(1, simnet.Options{})
	t.Cleanup(func() { n.Close() })
	group := netip.MustParseAddrPort("232.80.88.9:26970")
	a, b := n.Host("a"), n.Host("b")
	e, err := b.Overhear(group)
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, a)
	send(t, c, "nobody joined", group)
	listen(t, b, group, netip.Addr{})
	send(t, c, "joined", group)
	if got := e.Count(); got != 1 {
		t.Errorf("overheard %d, want 1", got)
	}
}
