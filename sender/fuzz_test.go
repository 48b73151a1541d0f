package sender

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// FuzzReports: whatever admitted receivers report, in whatever order, nothing
// panics, every symbol that is sent exists, sequence numbers follow each other,
// no block goes out that nobody lacks, and no queue grows without bound.
func FuzzReports(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Add([]byte("join report report send send wait report send a lot and then some more of it"))
	f.Add([]byte{9, 255, 255, 255, 1, 1, 1, 1, 2, 200, 0, 255, 3, 3, 3, 3, 10, 30, 50, 70, 90, 255, 254, 253})
	f.Fuzz(func(t *testing.T, in []byte) {
		m := imagetest.Manifest(t, 300_0, 14, 0, 0, 262163, 1408*20, 1408*3, 99, 0, 5000)
		g := &gamble{T: t, in: in, now: time.Unix(1000, 0), s: newScheduler(m, protocol.DefaultSymbolSize, -1)}
		for len(g.in) > 0 {
			g.step()
		}
	})
}

// gamble takes its decisions from the fuzzer's bytes.
type gamble struct {
	*testing.T
	in  []byte
	now time.Time
	s   *scheduler
}

func (g *gamble) pick(n int) int {
	if len(g.in) == 0 {
		return 0
	}
	b := int(g.in[0])
	g.in = g.in[1:]
	return b % n
}

// number is any number, extreme ones preferred.
func (g *gamble) number() uint64 {
	switch g.pick(5) {
	case 0:
		return uint64(g.s.last)
	case 1:
		return ^uint64(0) - uint64(g.pick(3))
	case 2:
		return uint64(g.pick(256)) << g.pick(64)
	case 3:
		return uint64(g.pick(256)) * uint64(g.s.last) / 256
	}
	return uint64(g.pick(256))
}

func (g *gamble) step() {
	g.now = g.now.Add(time.Duration(g.pick(256)*g.pick(256)) * time.Millisecond)
	switch g.pick(5) {
	case 0:
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(g.pick(4))}), 9)
		g.s.admit(g.now, &protocol.Join{Receiver: protocol.ReceiverID(g.pick(4)), Run: uint64(g.pick(3))}, from)
	case 1, 2:
		g.s.report(g.now, g.report())
	case 3:
		g.s.tick(g.now)
		if g.pick(4) == 0 {
			g.s.flush()
		}
	case 4:
		g.send()
	}
}

func (g *gamble) report() *protocol.Report {
	c := protocol.Counters{Received: g.number(), Lost: g.number(), Overflow: g.number(), Written: g.number()}
	r := &protocol.Report{
		Number: protocol.Number(g.pick(6)), Serial: uint32(g.number()), State: protocol.ReceiverState(1 + g.pick(6)),
		Object: protocol.Object(g.pick(2)), AsOf: protocol.Seq(g.number()), Room: uint32(g.number()), Buffer: uint32(g.number()),
		Counters: c, From: protocol.SBN(g.pick(12)),
	}
	at := r.From
	for range g.pick(5) {
		d := protocol.Deficit{First: at + protocol.SBN(g.pick(3)), Count: 1 + uint32(g.number()%(protocol.MaxSBN/8)), Need: uint16(g.number() % (protocol.MaxSymbols + 1))}
		at = d.First + protocol.SBN(d.Count)
		r.Deficits = append(r.Deficits, d)
	}
	r.To = min(protocol.MaxSBN, at+protocol.SBN(g.number()%protocol.MaxSBN))
	return r
}

func (g *gamble) send() {
	wanted := func(o *object, i int) bool {
		for _, m := range g.s.members {
			if m.present() && m.lacking(o.id, i) {
				return true
			}
		}
		return false
	}
	at := g.s.last
	for _, r := range g.s.fill(g.now, nil, 1+g.pick(200)) {
		j := &g.s.jobs[r.slot]
		if r.count < 1 || r.count > chunk || r.esi < 0 || r.esi >= j.layout.N() {
			g.Fatalf("run %+v of a block with %d symbols", r, j.layout.N())
		}
		if r.load && !wanted(j.object, j.block) {
			g.Fatalf("object %d block %d is sent, and nobody lacks it", j.object.id, j.block)
		}
		if r.seq != at+1 {
			g.Fatalf("sequence %d after %d", r.seq, at)
		}
		at += protocol.Seq(r.count)
	}
	for _, o := range g.s.objects {
		if len(o.queue) > 2*o.n {
			g.Fatalf("%d repairs are queued for %d blocks", len(o.queue), o.n)
		}
	}
}

// FuzzControl: no datagram, whoever sends it, panics or gets in without the
// cookie of its address; one with it is taken like any other.
func FuzzControl(f *testing.F) {
	key, err := trust.Generate()
	if err != nil {
		f.Fatal(err)
	}
	here := netip.MustParseAddrPort("10.0.0.2:9")
	join, _ := (&protocol.Join{Session: 7, Receiver: 1, Run: 2, Nonce: 3, Name: "pc"}).AppendBinary(nil)
	report, _ := (&protocol.Report{Session: 7, Serial: 1, State: protocol.ReceiverReceiving, Object: 1, To: 9,
		Deficits: []protocol.Deficit{{First: 1, Count: 2, Need: 3}}}).AppendBinary(nil)
	f.Add(join, true)
	f.Add(join, false)
	f.Add(report, true)
	f.Add(report, false)
	f.Add(solicit(f), false)
	f.Add([]byte("garbage"), false)
	f.Fuzz(func(t *testing.T, d []byte, known bool) {
		source := noise{imagetest.Manifest(t, 1408*20, 0, 1408*3)}
		s := &session{
			cfg: Config{Source: source, Key: key}, id: 7, conn: newTap(nil), control: newControl(7, newTap(nil)), page: 10,
			sched: newScheduler(source.m, protocol.DefaultSymbolSize, 0),
			tx:    newTransmitter(7, newTap(nil), netip.AddrPort{}, source, protocol.DefaultSymbolSize),
		}
		s.control.mac = hmac.New(sha256.New, nil) // the same cookies each time
		s.sched.admit(time.Now(), &protocol.Join{Receiver: 5}, here)
		d = append([]byte(nil), d...)
		if len(d) >= protocol.HeaderSize {
			cookie := s.control.cookie(here)
			if at := cookieAt[d[11]]; known && len(d) >= at+len(cookie) {
				copy(d[at:], cookie[:])
			}
			copy(d[8:], []byte{'P', 'X', protocol.Version})
			binary.BigEndian.PutUint64(d[12:], 7)
			if protocol.Type(d[11]) == protocol.TypeSolicit {
				clear(d[12:20])
			}
			binary.BigEndian.PutUint64(d, protocol.Checksum(d))
		}
		s.control.answers.announced([]byte("here we are"))
		s.control.datagram(d, here)
		if joins, reports := len(s.control.joins), len(s.control.reports); !known && joins+reports > 0 && !lucky(d, s.control.cookie(here)) {
			t.Fatal("got in without its cookie")
		}
		s.drain()
		s.status(time.Now())
		s.tellRoster(t)
	})
}

// cookieAt is where a JOIN and a REPORT have their cookie.
var cookieAt = map[byte]int{byte(protocol.TypeJoin): 44, byte(protocol.TypeReport): 24}

// lucky reports whether the fuzzer found the cookie by itself: the secret is
// the same each time.
func lucky(d []byte, k protocol.Cookie) bool {
	at := cookieAt[d[11]]
	return len(d) >= at+len(k) && protocol.Cookie(d[at:at+len(k)]) == k
}

func (s *session) tellRoster(t *testing.T) {
	for first := 0; first < len(s.sched.members); first += s.page {
		s.sendRoster(first, s.group)
	}
	if len(s.roster.Places) == 0 {
		t.Error("no roster")
	}
}

// TestNobodyStarvesTheRoom: one that asks for repairs of everything with each
// report, and sends a hundred reports where one is due, takes no more than half
// of what is sent from the others.
func TestNobodyStarvesTheRoom(t *testing.T) {
	frames := make([]int, 400)
	for i := range frames {
		frames[i] = 1408 * 64
	}
	s := newScheduler(imagetest.Manifest(t, frames...), protocol.DefaultSymbolSize, 0)
	now := time.Unix(1000, 0)
	var reports [2]protocol.Report
	for i := range reports {
		s.admit(now, &protocol.Join{Receiver: protocol.ReceiverID(i)}, netip.AddrPort{})
		reports[i] = protocol.Report{Number: protocol.Number(i), State: protocol.ReceiverReceiving, Object: 1, Room: 1 << 30, Buffer: 1 << 30, To: 400}
	}
	taken := 0
	whole := 0
	for whole < 400 && s.last < 1<<20 {
		now = now.Add(minInterval)
		for i := range reports {
			r := &reports[i]
			r.AsOf, r.Deficits = s.last, everything(400, 63)
			if i == 1 {
				r.Deficits = []protocol.Deficit{{First: protocol.SBN(whole), Count: uint32(400 - whole)}}
			}
			for range 1 + 99*(1-i) {
				r.Serial++
				if s.report(now, r) && i == 0 && !s.members[0].waits {
					taken++
				}
			}
		}
		for _, r := range s.fill(now, nil, 2000) {
			if j := &s.jobs[r.slot]; r.load && r.esi == 0 && j.block >= whole {
				whole = j.block + 1
			}
		}
	}
	if most := protocol.Seq(2*400*64 + mostDebt + 2000); s.last > most {
		t.Errorf("%d symbols went out for %d blocks of 64, want at most %d", s.last, whole, most)
	}
	if beats := int(now.Sub(time.Unix(1000, 0)) / minInterval); taken > beats {
		t.Errorf("%d of its reports' deficits were looked at in %d intervals", taken, beats)
	}
}

// TestAbsurdCounters: who says that all was lost, or counts backwards, gets its
// repairs like others, and no more of them than there are symbols.
func TestAbsurdCounters(t *testing.T) {
	s := newScheduler(imagetest.Manifest(t, 1408*50), protocol.DefaultSymbolSize, 0)
	now := time.Unix(1000, 0)
	m, _ := s.admit(now, &protocol.Join{Receiver: 1}, netip.AddrPort{})
	r := protocol.Report{State: protocol.ReceiverReceiving, Object: 1, To: 1, Buffer: 1 << 20, Room: 1 << 20, Deficits: everything(1, 5)}
	for i := range 300 {
		now = now.Add(time.Second)
		r.Serial, r.AsOf = r.Serial+1, s.last
		r.Counters.Received = []uint64{0, 0, ^uint64(0), 10}[i/70%4]
		r.Counters.Lost = uint64(i) << (i / 5)
		s.report(now, &r)
		s.tick(now)
		if m.loss < 0 || m.loss > 1 || len(s.objects[1].queue) > 1 {
			t.Fatalf("step %d: loss %v, %d repairs queued for one block", i, m.loss, len(s.objects[1].queue))
		}
		sent := s.last
		s.fill(now, nil, 1000)
		if n := s.last - sent; n < 5 || n > 114 {
			t.Fatalf("step %d: %d symbols for a need of 5", i, n)
		}
	}
}

// TestLossyMemberAloneIsServed: the last one left, that lost far more than all
// others and has its memory full of incomplete blocks, gets their repairs,
// though whole blocks still wait, and though its counters stand still.
func TestLossyMemberAloneIsServed(t *testing.T) {
	s := newScheduler(imagetest.Manifest(t, 1408*50, 1408*50, 1408*50), protocol.DefaultSymbolSize, 0)
	now := time.Unix(1000, 0)
	for i := range 3 {
		m, _ := s.admit(now, &protocol.Join{Receiver: protocol.ReceiverID(i)}, netip.AddrPort{})
		m.measured = true
	}
	s.members[2].loss = 0.4
	r := protocol.Report{Number: 2, Serial: 1, State: protocol.ReceiverReceiving, Object: 1, To: 3, Buffer: 1 << 10}
	for i := range protocol.Number(2) {
		s.report(now, &protocol.Report{Number: i, Serial: 1, State: protocol.ReceiverDone, Object: 1})
	}
	r.Deficits = []protocol.Deficit{{First: 0, Count: 2, Need: 5}, {First: 2, Count: 1}}
	for range 200 {
		now = now.Add(minInterval)
		s.tick(now)
		r.Serial, r.AsOf = r.Serial+1, s.flush()
		s.report(now, &r)
		if runs := s.fill(now, nil, 100); len(runs) > 0 {
			return
		}
	}
	t.Error("nothing is sent in four seconds")
}

// image.Packed is what sessions are given.
var _ Source = (*image.Packed)(nil)
var _ mcast.Conn = tap{}
