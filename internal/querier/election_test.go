package querier

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	epoch = time.Unix(1e9, 0)
	own   = netip.MustParseAddr("10.0.0.5")
	lower = netip.MustParseAddr("10.0.0.4")
	upper = netip.MustParseAddr("10.0.0.6")
	none  = netip.IPv4Unspecified()
)

// heard is a query of another: at a time after the start, from an address.
type heard struct {
	at   time.Duration
	from netip.Addr
	q    Query
}

func general(t *testing.T, m string) Query {
	t.Helper()
	q, err := ParseQuery(unhex(t, m))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// play returns the times of our own queries in seconds until a time, and who is
// the querier then.
func play(mode Mode, until time.Duration, others []heard) (asked string, e election) {
	timing, _ := Timing{}.validate()
	e = newElection(own, mode, timing, epoch)
	var times []string
	for {
		if e.next.Sub(epoch) <= until && (len(others) == 0 || !e.next.After(epoch.Add(others[0].at))) {
			now := e.next
			if e.due(now) {
				mark := ""
				if e.urgent {
					mark = "!"
				}
				times = append(times, fmt.Sprint(now.Sub(epoch).Seconds())+mark)
				e.hear(now, own, Query{Version: 3}) // it comes back to us
			}
			continue
		}
		if len(others) == 0 {
			return strings.Join(times, " "), e
		}
		e.hear(epoch.Add(others[0].at), others[0].from, others[0].q)
		others = others[1:]
	}
}

func TestElection(t *testing.T) {
	v3, v2 := general(t, generalQuery), general(t, "11 64 ee9b 00000000")
	often := v3
	often.Interval, often.Robustness = 10*time.Second, 3
	rarely := v3
	rarely.Interval, rarely.Robustness = 31744*time.Second, 7
	silence := v3
	silence.Interval, silence.Robustness = 0, 0
	hurry := Query{Version: 3, Robustness: 1, Interval: time.Second}
	const sec = time.Second
	for _, c := range []struct {
		name   string
		mode   Mode
		others []heard
		asked  string // seconds of our queries in 400 s; ! those that want answers at once
		role   Role   // at the end
	}{
		{"alone, auto listens first, asks again soon, is silent for the others, and then asks at the interval", Auto, nil, "2 33.25 289.25! 320.5", Asking},
		{"alone, on asks at once", On, nil, "0 31.25 156.25 281.25", Asking},

		{"a lower address silences ours for 2 × 125 s + 5 s", On, []heard{{50 * sec, lower, v3}}, "0 31.25 305!", Asking},
		{"and for longer while it is heard", On, []heard{{50 * sec, lower, v3}, {175 * sec, lower, v3}}, "0 31.25", Silent},
		{"one of version 2 tells no times, so ours count", On, []heard{{50 * sec, lower, v2}}, "0 31.25 305!", Asking},
		{"likewise one of version 3 that tells none", On, []heard{{50 * sec, lower, silence}}, "0 31.25 305!", Asking},
		{"one that asks often is missed sooner", On, []heard{{50 * sec, lower, often}}, "0 31.25 85! 210 335", Asking},
		{"none says for hours that it is there", On, []heard{{50 * sec, lower, rarely}}, "0 31.25 305!", Asking},
		{"nor makes us ask in a row", On, []heard{{300 * sec, lower, hurry}, {302 * sec, lower, hurry}}, "0 31.25 156.25 281.25 301! 303!", Asking},
		{"a higher address does not", On, []heard{{50 * sec, upper, v3}}, "0 31.25 156.25 281.25", Asking},
		{"a switch that asks in nobody's name takes no part", On, []heard{{50 * sec, none, v3}}, "0 31.25 156.25 281.25", Asking},

		{"auto does not begin where a lower one is", Auto, []heard{{sec, lower, v3}, {126 * sec, lower, v3}, {251 * sec, lower, v3}}, "", Silent},
		{"nor where a higher one is", Auto, []heard{{sec, upper, v3}, {126 * sec, upper, v3}, {251 * sec, upper, v3}}, "", Silent},
		{"nor where a switch asks in nobody's name", Auto, []heard{{sec, none, v3}, {126 * sec, none, v3}, {251 * sec, none, v3}}, "", Silent},
		{"nor where another program of this machine asks", Auto, []heard{{sec, own, v3}, {126 * sec, own, v3}, {251 * sec, own, v3}}, "", Silent},
		{"auto begins when the other one is gone", Auto, []heard{{sec, upper, v3}}, "258! 289.25", Asking},
		{"once auto asks, a lower one silences it", Auto, []heard{{50 * sec, lower, v3}, {175 * sec, lower, v3}}, "2 33.25", Silent},
		{"and so does a higher one that it outdid and that speaks again in its silence", Auto, []heard{{288 * sec, upper, v3}}, "2 33.25", Silent},
		{"or a switch that asks in nobody's name", Auto, []heard{{50 * sec, none, v3}, {175 * sec, none, v3}}, "2 33.25", Silent},
		{"once it is alone a higher one does not, or both would be silent", Auto, []heard{{300 * sec, upper, v3}}, "2 33.25 289.25! 320.5", Asking},
		{"nor a switch that asks in nobody's name, for the same reason", Auto, []heard{{300 * sec, none, v3}}, "2 33.25 289.25! 320.5", Asking},
		{"but a lower one does", Auto, []heard{{300 * sec, lower, v3}}, "2 33.25 289.25!", Silent},
	} {
		asked, e := play(c.mode, 400*sec, c.others)
		if asked != c.asked || e.role != c.role {
			t.Errorf("%s: asked at %s s, role %d; want %s s, role %d", c.name, asked, e.role, c.asked, c.role)
		}
		if (e.role == Silent) != e.other.IsValid() || e.role == Silent && e.other != c.others[0].from {
			t.Errorf("%s: the other querier is %v", c.name, e.other)
		}
	}
}

// In a network of queriers that hear each other exactly one asks, soon, and when
// it is gone one of the others does within the time that hosts are remembered.
func TestRoomOfQueriersHasOne(t *testing.T) {
	timing, _ := Timing{}.validate()
	const remembered = 260 * time.Second // RFC 3376 §8.4
	var all []election
	for i := range 5 {
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(9 - i)}) // the last one is lowest
		mode := Auto
		if i == 2 {
			mode = On
		}
		all = append(all, newElection(addr, mode, timing, epoch.Add(time.Duration(i)*700*time.Millisecond)))
	}
	var last time.Time
	longest := time.Duration(0)
	run := func(from, until time.Duration) (asked []netip.Addr) {
		for now := epoch.Add(from); now.Before(epoch.Add(until)); now = now.Add(time.Second / 4) {
			for i := range all {
				if !all[i].due(now) {
					continue
				}
				if !last.IsZero() {
					longest = max(longest, now.Sub(last))
				}
				last = now
				asked = append(asked, all[i].own)
				for j := range all {
					all[j].hear(now, all[i].own, general(t, generalQuery))
				}
			}
		}
		return asked
	}
	run(0, 300*time.Second)
	settled := run(300*time.Second, 1000*time.Second)
	if only := slices.Compact(settled); len(settled) < 5 || len(only) != 1 {
		t.Fatalf("asked between 300 and 1000 s: %v", settled)
	}
	gone := settled[0]
	all = slices.DeleteFunc(all, func(e election) bool { return e.own == gone })
	run(1000*time.Second, 1300*time.Second)
	if only := slices.Compact(run(1300*time.Second, 2000*time.Second)); len(only) != 1 || only[0] == gone {
		t.Fatalf("after %v was gone: %v", gone, only)
	}
	if longest > remembered {
		t.Errorf("nobody asked for %v: switches forgot the hosts after %v", longest, remembered)
	}
}

// An outdone querier of a higher address takes the asking back: in all, nobody asks
// for no longer than hosts are remembered, and in the end we are silent.
func TestOutdoneQuerierComesBack(t *testing.T) {
	timing, _ := Timing{}.validate()
	for _, begins := range []time.Duration{0, 40 * time.Second, 100 * time.Second, 155 * time.Second} {
		e := newElection(own, Auto, timing, epoch.Add(begins))
		other := newElection(upper, On, timing, epoch)
		last := epoch
		for now := epoch; now.Before(epoch.Add(2000 * time.Second)); now = now.Add(time.Second / 4) {
			if gap := now.Sub(last); gap > 255*time.Second {
				t.Fatalf("begun after %v: nobody asks for %v", begins, gap)
			}
			here := now.Sub(epoch) >= begins
			if other.due(now) {
				if last = now; here {
					e.hear(now, upper, general(t, generalQuery))
				}
			}
			if here && e.due(now) {
				other.hear(now, own, general(t, generalQuery))
				last = now
			}
		}
		if e.role != Silent || other.role != Asking {
			t.Errorf("begun after %v: our role is %d, the other's %d", begins, e.role, other.role)
		}
	}
}
