package receiver

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// station is a machine that announces a session, as a sender does: ten times a
// second to the discovery group, and by unicast to who asks.
type station struct {
	*testing.T
	host *simnet.Host
	conn mcast.Conn
	key  *trust.Key
	name string

	mu   sync.Mutex
	last uint64 // counter
}

func newStation(t *testing.T, h *simnet.Host, port uint16) *station {
	conn, err := h.Open(port)
	if err != nil {
		t.Fatal(err)
	}
	key, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return &station{T: t, host: h, conn: conn, key: key, name: h.Name()}
}

// announcement returns the station's next, signed for a purpose.
func (s *station) announcement(c trust.Context) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	a := protocol.Announce{
		Session: 5, Counter: s.last, State: protocol.SessionSending, RawSize: 1, PackedSize: 1, ManifestSize: 1,
		SymbolSize: protocol.DefaultSymbolSize, IntervalMS: 20, Name: s.name, PublicKey: s.key.Public(),
		Data: netip.MustParseAddrPort("232.1.2.3:26970"), Report: s.conn.LocalAddr(),
	}
	d, err := a.AppendBinary(nil, func(msg []byte) [protocol.SignatureSize]byte {
		sig, err := s.key.Sign(c, msg)
		if err != nil {
			s.Fatal(err)
		}
		return sig
	})
	if err != nil {
		s.Fatal(err)
	}
	return d
}

// multicast announces until the station's socket is closed.
func (s *station) multicast() {
	for s.conn.WriteTo(s.announcement(protocol.ContextAnnounce), protocol.Discovery) == nil {
		<-time.After(100 * time.Millisecond)
	}
}

// answer answers each SOLICIT with a datagram, until the station's socket is
// closed.
func (s *station) answer(with func() []byte) {
	b := mcast.NewBatch(1)
	for s.conn.Read(b, time.Time{}) == nil {
		for d, from := range b.Datagrams() {
			if _, err := protocol.ParseSolicit(d); err == nil {
				s.conn.WriteTo(with(), from)
			}
		}
	}
}

// scene is a server, another machine, and a PC that is told the server's address.
type scene struct {
	*testing.T
	running sync.WaitGroup
	net     *simnet.Net
	server  *station
	other   *station
	pc      *simnet.Host
	heard   []Heard
}

func (s *scene) solicits() uint64 {
	return s.pc.Counters().Sent[protocol.TypeSolicit].Datagrams
}

// answers lets the server answer each SOLICIT.
func (s *scene) answers(with func() []byte) { s.running.Go(func() { s.server.answer(with) }) }

// discover lets the PC listen for d.
func (s *scene) discover(server netip.Addr, d time.Duration) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), d)
	defer cancel()
	s.heard = nil
	if err := Discover(ctx, s.pc, server, func(h Heard) { s.heard = append(s.heard, h) }); err != nil {
		s.Error(err)
	}
}

func inScene(t *testing.T, port uint16, play func(s *scene)) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(1, simnet.Options{})
		s := &scene{T: t, net: net, pc: net.Host("pc")}
		s.server, s.other = newStation(t, net.Host("server"), port), newStation(t, net.Host("other"), port)
		play(s)
		net.Close()
		s.running.Wait()
	})
}

// withoutMulticast is a cable that no multicast comes through.
var withoutMulticast = simnet.Link{Keep: func(p simnet.Packet) bool { return !p.To.Addr().IsMulticast() }}

// TestSolicitedSessionIsHeard at any of the ports where a sender may be, again
// and again, and says that it came by unicast.
func TestSolicitedSessionIsHeard(t *testing.T) {
	for i := range protocol.SolicitPorts {
		inScene(t, protocol.SolicitPort(i), func(s *scene) {
			s.answers(func() []byte { return s.server.announcement(protocol.ContextAnnounce) })
			s.running.Go(s.server.multicast)
			s.pc.SetIn(withoutMulticast)
			began := time.Now()
			s.discover(s.server.host.Addr(), 10*time.Second)
			if len(s.heard) < 25 {
				s.Errorf("port %d: heard %d times in 10 s", protocol.SolicitPort(i), len(s.heard))
			}
			last := began
			for _, h := range s.heard {
				if !h.Unicast || h.Name != "server" {
					s.Errorf("heard %s, by unicast %v", h.Name, h.Unicast)
				}
				if silent := h.At.Sub(last); silent > time.Second {
					s.Errorf("nothing heard for %v", silent)
				}
				last = h.At
			}
			if asked := s.solicits() / protocol.SolicitPorts; asked > 10*4 {
				s.Errorf("asked %d times in 10 s, more than four times a second", asked)
			}
		})
	}
}

// TestNobodyIsAskedInVain: while the server's announcements come by themselves,
// and where no server is known.
func TestNobodyIsAskedInVain(t *testing.T) {
	for name, server := range map[string]string{"by themselves": "server", "no server": ""} {
		t.Run(name, func(t *testing.T) {
			inScene(t, protocol.SolicitPort(0), func(s *scene) {
				s.running.Go(s.server.multicast)
				var address netip.Addr
				if server != "" {
					address = s.net.Host(server).Addr()
				}
				s.discover(address, 10*time.Second)
				if n := len(s.heard); n < 99 || n > 101 || s.heard[0].Unicast || s.solicits() != 0 {
					s.Errorf("heard %d times, asked %d times", len(s.heard), s.solicits())
				}
			})
		})
	}
}

// TestServerThatIsSilentIsAskedLittle, though another sender is heard.
func TestServerThatIsSilentIsAskedLittle(t *testing.T) {
	inScene(t, protocol.SolicitPort(0), func(s *scene) {
		s.running.Go(s.other.multicast)
		address := s.server.host.Addr()
		s.discover(address, 3*time.Second)
		begin := s.solicits()
		s.discover(address, 103*time.Second)
		if asked := (s.solicits() - 2*begin) / protocol.SolicitPorts; asked < 60 || asked > 101 {
			s.Errorf("asked %d times in 100 s, want once in 1 to 1.5 s", asked)
		}
		if begin/protocol.SolicitPorts < 6 {
			s.Errorf("asked only %d times in the first 3 s", begin/protocol.SolicitPorts)
		}
	})
}

// TestMulticastComesBack: the PC stops asking.
func TestMulticastComesBack(t *testing.T) {
	inScene(t, protocol.SolicitPort(0), func(s *scene) {
		s.answers(func() []byte { return s.server.announcement(protocol.ContextAnnounce) })
		s.running.Go(s.server.multicast)
		s.pc.SetIn(withoutMulticast)
		var asked uint64
		s.running.Go(func() {
			<-time.After(3 * time.Second)
			s.pc.SetIn(simnet.Link{})
			<-time.After(500 * time.Millisecond)
			asked = s.solicits()
		})
		s.discover(s.server.host.Addr(), 10*time.Second)
		if s.solicits() != asked || asked == 0 {
			s.Errorf("asked %d times without multicast, %d times with it", asked, s.solicits()-asked)
		}
		if first, last := s.heard[0], s.heard[len(s.heard)-1]; !first.Unicast || last.Unicast {
			s.Errorf("the first came by unicast: %v, the last: %v", first.Unicast, last.Unicast)
		}
	})
}

// TestFalseAnswersAreNotHeard: a replayed one, one whose signature is for
// another purpose, and one from a machine that was not asked.
func TestFalseAnswersAreNotHeard(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(s *scene) []byte
		guess  bool
		want   int
	}{
		{name: "replayed", answer: func(s *scene) []byte {
			s.server.last = 0
			return s.server.announcement(protocol.ContextAnnounce)
		}, want: 1},
		{name: "signed as a welcome", answer: func(s *scene) []byte { return s.server.announcement(protocol.ContextWelcome) }},
		{name: "from another", answer: func(*scene) []byte { return nil }, guess: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inScene(t, protocol.SolicitPort(0), func(s *scene) {
				s.answers(func() []byte { return c.answer(s) })
				s.pc.SetIn(withoutMulticast)
				if c.guess {
					s.running.Go(s.guess)
				}
				s.discover(s.server.host.Addr(), 5*time.Second)
				if len(s.heard) != c.want {
					s.Errorf("heard %d times, want %d", len(s.heard), c.want)
				}
			})
		})
	}
}

// guess sends announcements to all ports where the PC may listen for answers.
func (s *scene) guess() {
	for range 20 {
		for port := 49152; port < 49160; port++ {
			s.other.conn.WriteTo(s.other.announcement(protocol.ContextAnnounce), netip.AddrPortFrom(s.pc.Addr(), uint16(port)))
		}
		<-time.After(100 * time.Millisecond)
	}
}
