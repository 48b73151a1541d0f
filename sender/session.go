// Package sender multicasts one packed image to everybody who joins. The
// scheduler, with its window and congestion control, is a pure value; the
// session around it owns the sockets and the clock.
package sender

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// Source is a packed image, see image.Packed.
type Source interface {
	Manifest() *image.Manifest
	ReadFramePart(i, off int, p []byte) error
	Prefetch(i, n int)
}

// Config is what a session needs. Network, Source and Key must be set.
type Config struct {
	Network      mcast.Network
	Source       Source
	Key          *trust.Key
	Name         string        // of the image, as menus show it
	MinReceivers int           // to wait for before sending starts; default 1
	MaxWait      time.Duration // for them; then it starts with those that are here; default 30 min
	Settle       time.Duration // to wait for more after the last that came; default 0
	Linger       time.Duration // after all are done, for late ones; 0 none
	Rate         int64         // bits a second on the wire; 0 follow link, receivers and loss
	Burst        int           // bytes on the wire that go at once at most while the rate is limited; default two milliseconds' worth, 16 to 64 KiB
	Parity       float64       // sent unasked, as a fraction of k; <0 follow the loss
	Bench        bool          // a measurement: only receivers that keep nothing take part, and tell more
	Serve        ServeFunc     // starts HTTP and TFTP, if it can; nil does without, see Lanes
	Status       func(Status)  // called four times a second and at every change of state
}

// ErrNobody says that no receiver joined within Config.MaxWait.
var ErrNobody = errors.New("no receiver joined")

// Run sends until every receiver that joined is done, failed or gone, and
// Linger has passed. The status it returns is final also with an error:
// ErrNobody, the cause of ctx's end, or what broke.
func Run(ctx context.Context, cfg Config) (Status, error) {
	s, err := newSession(cfg)
	if err != nil {
		return Status{}, err
	}
	defer s.serve(ctx)()
	var reader sync.WaitGroup
	reader.Go(func() { s.control.run(ctx) })
	// A link that takes nothing any more must not keep us beyond ctx.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(stuck, func() { s.conn.Close() }) })()
	err = s.loop(ctx)
	s.end(err)
	s.conn.Close()
	reader.Wait()
	s.tx.free()
	st := s.status(time.Now())
	if s.bench != nil {
		s.bench.close()
		st.Measured = s.bench.room(s.sched, &st)
	}
	return st, err
}

// stuck is how long a write may block after the end of the context.
const stuck = 3 * time.Second

// session is the shell around the scheduler; one goroutine owns it.
type session struct {
	cfg     Config
	id      protocol.SessionID
	conn    mcast.Conn
	control *control
	sched   *scheduler
	tx      *transmitter
	pacer   pacer
	backlog backlog
	paced   float64 // the rate that the socket knows
	group   netip.AddrPort
	symbol  int
	http    netip.AddrPort // zero where not served
	tftp    netip.AddrPort
	notices []Notice
	bench   *bench // nil: not a bench session

	state   protocol.SessionState
	reason  string
	opened  time.Time
	started time.Time // of sending
	rested  time.Time // since when nobody lacks anything

	told                             time.Duration // report interval of the last announcement
	counter                          uint64
	announced, rostered, shown, idle time.Time
	page                             int // receivers in a roster page, as the MTU allows
	turn                             int // the member that was last told the roster by unicast
	buffer                           []byte
	roster                           protocol.Roster
}

func newSession(cfg Config) (*session, error) {
	cfg.MinReceivers = max(1, cfg.MinReceivers)
	cfg.Rate, cfg.Burst = max(0, cfg.Rate), max(0, cfg.Burst)
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = 30 * time.Minute
	}
	if cfg.Status == nil {
		cfg.Status = func(Status) {}
	}
	cfg.Name = protocol.Text(cfg.Name, protocol.MaxName)
	symbol := protocol.SymbolSize(cfg.Network.MTU())
	if symbol == 0 {
		return nil, fmt.Errorf("interface %s: MTU %d is below the 576 that IPv4 asks for: raise it", cfg.Network.Name(), cfg.Network.MTU())
	}
	var random [8]byte
	rand.Read(random[:])
	id := protocol.SessionID(binary.BigEndian.Uint64(random[:]))
	conn, err := openReport(cfg.Network)
	if err != nil {
		return nil, err
	}
	// 232.0.0.0/24 is reserved (RFC 4607 §1), and 232.128.0.0/24 shares its
	// Ethernet addresses with 224.0.0.0/24, which switches flood.
	group := netip.AddrPortFrom(netip.AddrFrom4([4]byte{232, 1 + random[0]%127, random[1], random[2]}), protocol.Discovery.Port()+1)
	s := &session{
		cfg: cfg, id: id, conn: conn, group: group, symbol: symbol,
		control: newControl(id, conn),
		sched:   newScheduler(cfg.Source.Manifest(), symbol, cfg.Parity),
		tx:      newTransmitter(id, conn, group, cfg.Source, symbol),
		pacer:   pacer{burst: cfg.Burst},
		state:   protocol.SessionGathering, opened: time.Now(),
		page: protocol.RosterPlaces(cfg.Network.MTU()),
	}
	s.sched.congestion.rate = float64(cfg.Rate) / 8
	s.sched.congestion.most = float64(cfg.Rate) / 8
	if cfg.Bench {
		s.bench = newBench(cfg.Network, group)
	}
	return s, nil
}

const (
	announceEach = 100 * time.Millisecond
	rosterEach   = time.Second
	statusEach   = 250 * time.Millisecond
	flushEach    = 20 * time.Millisecond  // while somebody lacks something
	pulseEach    = 250 * time.Millisecond // while nobody does: shows that the group reaches them
)

// loop runs the session to its end.
func (s *session) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		s.drain()
		now := time.Now()
		s.sched.tick(now)
		if over, err := s.advance(now); over || err != nil {
			return err
		}
		if err := s.tell(now); err != nil {
			return err
		}
		sent, again, err := s.transmit(now)
		s.control.rest.Store(int64(s.sched.rest()))
		if err != nil {
			return err
		}
		if sent {
			continue
		}
		wait := max(0, again.Sub(now))
		if s.paced > 0 && wait < time.Millisecond {
			s.conn.Pause(wait)
			continue
		}
		timer.Reset(wait)
		select {
		case j := <-s.control.joins:
			s.welcome(time.Now(), &j.join, j.from)
		case r := <-s.control.reports:
			s.report(r)
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return context.Cause(ctx)
}

// advance moves the session through its states.
func (s *session) advance(now time.Time) (over bool, err error) {
	switch here := len(s.sched.alive); s.state {
	case protocol.SessionGathering:
		for _, m := range s.sched.members {
			if m.state == protocol.ReceiverDone { // by what an earlier session sent it
				here++
			}
		}
		late := now.Sub(s.opened) >= s.cfg.MaxWait
		if late && here == 0 && len(s.sched.members) == 0 {
			return true, fmt.Errorf("%w within %v: is `pxecast receive` running, on the network of interface %s?", ErrNobody, s.cfg.MaxWait, s.cfg.Network.Name())
		}
		if here >= s.cfg.MinReceivers && s.settled(now) || late {
			s.state, s.started = protocol.SessionSending, now
			s.announced = time.Time{}
		}
	case protocol.SessionSending:
		if s.sched.idle() {
			s.state, s.rested = protocol.SessionLingering, now
			s.announced, s.shown = time.Time{}, time.Time{}
		}
	case protocol.SessionLingering:
		if here > 0 {
			s.state = protocol.SessionSending
			s.announced = time.Time{}
		} else if now.Sub(s.rested) >= s.cfg.Linger {
			return true, nil
		}
	}
	return false, nil
}

// settled reports whether nobody has come for the time that Config says.
func (s *session) settled(now time.Time) bool {
	return !slices.ContainsFunc(s.sched.alive, func(m *member) bool { return now.Sub(m.joined) < s.cfg.Settle })
}

// mostWelcomes bounds the signatures that a flood of JOINs costs before the
// next data goes out.
const mostWelcomes = 8

// mostReports bounds what a flood of REPORTs costs so, each with its deficits.
const mostReports = 128

// drain handles the reports and joins that wait now.
func (s *session) drain() {
	for range min(len(s.control.joins), mostWelcomes) {
		j := <-s.control.joins
		s.welcome(time.Now(), &j.join, j.from)
	}
	for range min(len(s.control.reports), mostReports) {
		s.report(<-s.control.reports)
	}
}

func (s *session) report(e reporting) {
	r := e.report
	if int(r.Number) < len(s.sched.members) && s.sched.members[r.Number].address == e.from {
		if s.sched.report(time.Now(), r) && s.bench != nil {
			s.bench.report(r, s.sched)
		}
		if r.State.Over() {
			s.acknowledge(r.Number)
		}
	}
	s.control.pool.Put(r)
}

func (s *session) welcome(now time.Time, j *protocol.Join, from netip.AddrPort) {
	w := protocol.Welcome{Session: s.id, Receiver: j.Receiver, Nonce: j.Nonce, Status: protocol.WelcomeFull, Cookie: j.Cookie}
	switch m, full := s.sched.admit(now, j, from); {
	case m != nil:
		w.Status, w.Number = protocol.WelcomeAdmitted, m.number
	case !full:
		return // it asks again
	}
	d, err := w.AppendBinary(s.buffer[:0], s.signer(protocol.ContextWelcome))
	if err == nil {
		s.buffer = d
		s.conn.WriteTo(d, from)
	}
}

// signer returns what signs in a context.
func (s *session) signer(c trust.Context) func(msg []byte) [protocol.SignatureSize]byte {
	return func(msg []byte) [protocol.SignatureSize]byte {
		sig, err := s.cfg.Key.Sign(c, msg)
		if err != nil {
			panic(err) // only for a context that is no context
		}
		return sig
	}
}

// transmit sends what is due. If nothing is, it says when to look again.
func (s *session) transmit(now time.Time) (sent bool, again time.Time, err error) {
	again = s.announced.Add(announceEach)
	if s.state != protocol.SessionGathering {
		rate := s.sched.congestion.rate
		if rate != s.paced {
			s.paced = rate
			s.conn.SetPace(int64(rate))
		}
		n, at := s.pacer.allow(now, rate, s.sched.packet)
		if room, free := s.backlog.allow(now, s.sched.packet, s.conn.Queued); n > 0 && room < n {
			n, at = room, free
		}
		if n == 0 {
			if at.Before(again) {
				again = at
			}
			return false, again, nil
		}
		wire, err := s.tx.send(now, s.sched, n)
		if err != nil || wire > 0 {
			s.pacer.spend(wire)
			s.backlog.spend(wire)
			s.idle = now
			return true, now, err
		}
	}
	each := flushEach
	if s.sched.satisfied() {
		each = pulseEach
	}
	if now.Sub(s.idle) >= each && !s.sched.idle() {
		s.idle = now
		f := protocol.Flush{Session: s.id, Seq: s.sched.flush()}
		if s.buffer, err = f.AppendBinary(s.buffer[:0]); err == nil {
			err = s.conn.WriteTo(s.buffer, s.group)
		}
	}
	if at := s.idle.Add(each); at.After(now) && at.Before(again) {
		again = at
	}
	return false, again, err
}
