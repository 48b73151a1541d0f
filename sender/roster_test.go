package sender

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// post is a Conn that keeps the roster pages which go to one machine alone.
type post struct {
	mcast.Conn
	*testing.T
	pages map[netip.AddrPort][]protocol.Roster
}

func (p post) WriteTo(d []byte, to netip.AddrPort) error {
	var r protocol.Roster
	if err := protocol.ParseRoster(d, &r); err != nil {
		p.Error(err)
	}
	if !to.Addr().IsMulticast() {
		p.pages[to] = append(p.pages[to], r)
	}
	return nil
}

// roomOf is a session that has sent much to so many receivers; each has a peer
// service at port 1000 and its number. It tells what goes to single ones.
func roomOf(t *testing.T, receivers int) (*session, post) {
	m := imagetest.Manifest(t, 1000, 1000)
	p := post{T: t, pages: map[netip.AddrPort][]protocol.Roster{}}
	s := &session{
		cfg: Config{Source: noise{m}}, conn: p, sched: newScheduler(m, protocol.DefaultSymbolSize, 0), page: 100,
		group: netip.MustParseAddrPort("232.1.2.3:26970"),
	}
	for i := range receivers {
		s.sched.admit(time.Unix(1000, 0), &protocol.Join{Receiver: protocol.ReceiverID(i + 1), Peer: uint16(1000 + i)}, machine(i))
	}
	s.sched.last = 10_000
	return s, p
}

func machine(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 40_000)
}

// reports lets a member report that it has taken in everything up to asOf.
func (s *session) reports(now time.Time, i int, asOf protocol.Seq) {
	m := s.sched.members[i]
	s.sched.report(now, &protocol.Report{Number: m.number, Serial: m.report.Serial + 1, State: protocol.ReceiverReceiving, AsOf: asOf})
}

// TestRosterReachesThoseWhoDoNotHearTheGroup: page after page, and with the port
// at which each peer serves. Who hears the group, is silent or has ended is told
// nothing.
func TestRosterReachesThoseWhoDoNotHearTheGroup(t *testing.T) {
	s, p := roomOf(t, 250)
	const deaf, hears, silent, done = 3, 4, 5, 6
	now := time.Unix(1000, 0)
	for range 12 {
		now = now.Add(500 * time.Millisecond)
		for i := range s.sched.members {
			if i == deaf {
				s.reports(now, i, 0)
			} else if i != silent {
				s.reports(now, i, s.sched.last)
			}
		}
		s.sched.last += 1000
	}
	s.sched.members[done].state, s.sched.members[done].asOfAt = protocol.ReceiverDone, time.Time{}
	now = now.Add(5 * time.Second)
	s.reports(now, deaf, 0)
	for i := range s.sched.members {
		if i != deaf && i != silent && i != done {
			s.reports(now, i, s.sched.last)
		}
	}
	s.sched.tick(now)
	for range 4 {
		s.rosterDeaf(now)
	}
	if len(p.pages) != 1 {
		t.Errorf("%d machines are told, want one", len(p.pages))
	}
	pages := p.pages[machine(deaf)]
	var firsts []int
	for _, page := range pages {
		firsts = append(firsts, page.First)
		for i, place := range page.Places {
			want := netip.AddrPortFrom(machine(page.First+i).Addr(), uint16(1000+page.First+i))
			if place.Peer != want || place.Number != protocol.Number(page.First+i) {
				t.Fatalf("place %d is %v, want %v", page.First+i, place, want)
			}
		}
	}
	if fmt.Sprint(firsts) != "[0 100 200 0]" {
		t.Errorf("the pages told begin at %v, want 0, 100, 200 and 0 again", firsts)
	}
}

// TestDeafRoomIsToldInTurn: where nobody hears the group, each is told as soon
// as the others, and no more in a second than the bound.
func TestDeafRoomIsToldInTurn(t *testing.T) {
	const rounds = 10
	s, p := roomOf(t, 1000)
	now := time.Unix(1000, 0)
	for range rounds {
		now = now.Add(5 * time.Second)
		for i := range s.sched.members {
			s.reports(now, i, 0)
		}
		before := p.count()
		s.rosterDeaf(now)
		if n := p.count() - before; n != mostDeaf {
			t.Fatalf("%d machines told at once, want %d", n, mostDeaf)
		}
	}
	for i := range s.sched.members {
		if n := len(p.pages[machine(i)]); n < rounds*mostDeaf/1000 || n > rounds*mostDeaf/1000+1 {
			t.Errorf("machine %d is told %d times in %d rounds", i, n, rounds)
		}
	}
}

func (p post) count() (n int) {
	for _, pages := range p.pages {
		n += len(pages)
	}
	return n
}

// TestPeerPortIsThatOfTheLatestJoin: a receiver may begin to serve when it is
// here already.
func TestPeerPortIsThatOfTheLatestJoin(t *testing.T) {
	s, p := roomOf(t, 2)
	join := protocol.Join{Receiver: 1, Peer: 4444}
	s.sched.admit(time.Unix(1001, 0), &join, machine(0))
	s.acknowledge(1)
	if got := p.pages[machine(1)][0].Places[0].Peer; got != netip.AddrPortFrom(machine(0).Addr(), 4444) {
		t.Errorf("the roster says %v", got)
	}
}
