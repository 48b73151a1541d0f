// Package receiver joins a session and writes its image to a disk. The
// collector is a pure value; the session around it owns the sockets, the clock
// and the pipeline to the disk.
package receiver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// Config is what a receiver needs. Network must be set.
type Config struct {
	Network    mcast.Network
	ID         protocol.ReceiverID // of this machine and disk, the same after a restart
	Name       string              // of this machine
	Server     netip.Addr          // is asked for announcements that do not come by multicast; zero none
	Memory     int                 // bytes for blocks on their way to the disk; default 96 MiB, at least 16
	Workers    int                 // blocks decoded and written at once; default 4, which hides the latency of a disk
	Verify     bool                // read the disk back before block 0 is written
	Reuse      Reuse               // of blocks that are on the disk already
	WriteLimit int64               // bytes a second that are written at most; 0 no limit
	Status     func(Status)        // called four times a second and at the end

	Fetch  Fetcher       // asks other machines where multicast fails; nil: nobody is asked
	Subnet netip.Prefix  // of the network, for the likely cause when it fails; zero unknown
	Linger time.Duration // to stay after the end while others are not done, or after the last fetched from here; 0 none
	// Serve gives others what the store has, until the service is closed. An
	// error is no failure of the session; nil: others can't ask.
	Serve func(ctx context.Context, st lane.Store) (Service, error)
}

const (
	defaultMemory = 96 << 20
	leastMemory   = 16 << 20

	joinEach   = 100 * time.Millisecond
	statusEach = 250 * time.Millisecond

	// silence is how long the sender may not answer us, or its data not come
	// where nothing else can be asked, before the receiver gives up: less than the
	// ten seconds that people wait.
	silence = 8 * time.Second

	// farewell is how long the last report is repeated until the sender has
	// acknowledged it, beyond the intervals within which it is due at all.
	farewell = 2 * time.Second
)

// Run receives the image of a session, which must be trusted, to target, which
// must be locked and large enough. It returns nil only when the whole image is
// written, flushed, and read back if Config.Verify says so. The status it
// returns is final also with an error. If that is ErrStuck, target must not be
// closed.
func Run(ctx context.Context, cfg Config, h Heard, target Target) (Status, error) {
	if h.Bench && !keepsNothing(target) {
		return Status{}, ErrBench
	}
	s, err := newSession(cfg, h, target)
	if err != nil {
		return Status{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var readers sync.WaitGroup
	// A cancelled receiver still tells the sender and hears its answer.
	hearing, deaf := context.WithCancel(context.WithoutCancel(ctx))
	server := cfg.Server
	if !server.IsValid() { // started again, it will be where it was
		server = h.Report.Addr()
	}
	readers.Go(func() {
		if err := Discover(hearing, cfg.Network, server, s.announcement); err != nil {
			cancel(err)
		}
	})
	readers.Go(func() { s.control(hearing) })
	s.serve(hearing)
	if err = s.loop(ctx); s.state == protocol.ReceiverDone {
		err = nil // whatever came while the last report was repeated
	}
	if s.ended.IsZero() {
		s.ended = time.Now()
	}
	s.close(err)
	cancel(err)
	stuck := s.service != nil && !left(err, s.service.Close) // it may be reading the disk
	deaf()
	s.data.Close()
	s.conn.Close()
	if s.ear != nil {
		s.ear.Close()
	}
	readers.Wait()
	s.lanes.wait.Wait()
	if left(err, s.pipe.wait.Wait) {
		s.collector.memory.free()
	} else {
		stuck = true // the blocks stay where the disk may read them
	}
	if stuck {
		err = fmt.Errorf("%w; %w", err, ErrStuck)
	}
	st := s.status(time.Now())
	s.cfg.Status(st)
	return st, err
}

// session is the shell around the collector; one goroutine owns it.
type session struct {
	cfg       Config
	run       uint64
	begun     Heard                 // as Run was given it, or as a restarted sender began
	sender    atomic.Pointer[Heard] // the same, for other goroutines
	heard     Heard                 // the latest
	data      mcast.Reader
	conn      mcast.Conn
	ear       mcast.Ear // nil: not a bench session, or we can't
	collector *collector
	pipe      *pipeline
	rebuilder *rebuilder // for the manifest
	bytes     []byte     // of the manifest
	held      []*block   // complete before the manifest was
	rejects   map[protocol.SBN]int
	random    *rand.Rand
	news      chan any // Heard, welcome or protocol.Roster
	lanes     lanes
	store     *store
	service   Service // nil: others can't ask us
	notices   []Notice

	state    protocol.ReceiverState
	failure  string
	admitted bool
	number   protocol.Number
	cookie   protocol.Cookie
	nonces   map[uint64]time.Time
	rtt      time.Duration
	queued   int
	waiting  int // bytes of those
	stall    stall
	zeros    bool // all zero runs are zero
	ending   bool // the pipeline's last steps are on their way
	acked    bool
	room     Room
	tally    Room // of the roster that is coming
	counted  int  // machines that tally sums up so far
	total    int  // of them
	verified atomic.Int64

	report protocol.Report
	told   struct { // by the last one
		at   time.Time
		asOf protocol.Seq
		room int // bytes
	}
	buffer                                                   []byte
	size                                                     int  // of a report at the most
	symbols, ours                                            bool // any came since the last step: symbols, datagrams of this session
	opened, started, ended, heardAt, joinAt, reportAt, shown time.Time
	dataAt                                                   time.Time // of the last datagram of the data group
	symbolAt                                                 time.Time // of the last symbol
	answeredAt                                               time.Time // of the last datagram to us alone
	provenAt                                                 time.Time // of the last one that nobody but the sender can have made, see silent
	farewellAt                                               time.Time // since when the last report is repeated
	multicastAt                                              time.Time // of the last announcement to all
}

func newSession(cfg Config, h Heard, target Target) (*session, error) {
	if cfg.Memory == 0 {
		cfg.Memory = defaultMemory
	}
	cfg.Memory = max(cfg.Memory, leastMemory)
	if cfg.Workers <= 0 {
		cfg.Workers = 4
	}
	if cfg.Status == nil {
		cfg.Status = func(Status) {}
	}
	cfg.Name = protocol.Text(cfg.Name, protocol.MaxName)
	data, err := cfg.Network.Listen(h.Data, h.Report.Addr(), lookEach)
	if err != nil {
		return nil, err
	}
	conn, err := cfg.Network.Open(0)
	if err != nil {
		data.Close()
		return nil, err
	}
	now := time.Now()
	s := &session{
		cfg: cfg, begun: h, heard: h, data: data, conn: conn,
		collector: newCollector(&h.Announce, cfg.Memory),
		pipe:      newPipeline(target, cfg.Memory/class+1),
		rebuilder: newRebuilder(),
		bytes:     make([]byte, h.ManifestSize),
		rejects:   map[protocol.SBN]int{},
		news:      make(chan any, 64),
		state:     protocol.ReceiverJoined,
		nonces:    map[uint64]time.Time{},
		size:      min(cfg.Network.MTU()-mcast.HeaderBytes, protocol.MaxDatagram),
		opened:    now, heardAt: now, dataAt: now, symbolAt: now,
		run: rand.Uint64(),
	}
	if h.Bench {
		s.ear = overhear(cfg.Network, h.Data)
	}
	if s.pipe.throttle.rate = cfg.WriteLimit; keepsNothing(target) {
		s.pipe.reuse = ReuseNever
	} else {
		s.pipe.reuse = cfg.Reuse
	}
	s.collector.memory.reserve()
	s.sender.Store(&h)
	s.random = rand.New(rand.NewPCG(uint64(cfg.ID), s.run))
	s.lanes = newLanes(s)
	if s.store = newStore(target, protocol.Blocks(h.RawSize)); keepsNothing(target) {
		s.cfg.Serve = nil
	}
	return s, nil
}

// loop runs the session until the last report is acknowledged.
func (s *session) loop(ctx context.Context) error {
	batch := mcast.NewBatch(4) // 256 KiB: what the kernel copied is still in the cache when it is copied on
	for {
		err := s.data.Read(batch, s.next(time.Now()))
		switch {
		case err == nil:
			for d := range batch.Datagrams() {
				s.datagram(d)
			}
		case errors.Is(err, net.ErrClosed):
			return err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("reading from group %v: %w", s.heard.Data, err)
		}
		now := time.Now()
		if s.ours {
			s.ours, s.dataAt = false, now
		}
		if s.symbols {
			s.symbols, s.symbolAt = false, now
		}
		if err := s.step(ctx, now); err != nil {
			return err
		}
		if s.leaves(now) {
			return nil
		}
	}
}

// lookEach is how long news and results may wait while no datagram comes.
const lookEach = 10 * time.Millisecond

// next returns when something is due though no datagram comes.
func (s *session) next(now time.Time) time.Time {
	at := s.reportAt
	if !s.admitted {
		at = s.joinAt.Add(joinEach)
	}
	look := now.Add(lookEach)
	if s.queued > 0 || s.expectant() {
		look = now.Add(promptEach) // the sender may be waiting for what becomes free
	}
	if look.Before(at) || at.Before(now) {
		return look
	}
	return at
}

// expectant reports whether the session can't go on before it hears of something
// that comes soon: a place, the manifest, what disk this is, its flush, the
// sender's word that it knows how we ended.
func (s *session) expectant() bool {
	return !s.admitted || s.heard.State != protocol.SessionGathering && s.collector.manifest == nil || s.pipe.undecided() || s.ending || s.state.Over() && !s.acked
}

// step does all that is not data: news from the sender, results from the
// pipeline, reports, limits of time.
func (s *session) step(ctx context.Context, now time.Time) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.listen(now); err != nil {
		return err
	}
	if err := s.fetch(ctx, now); err != nil {
		return err
	}
	if err := s.results(ctx, now); err != nil {
		return err
	}
	if s.state == protocol.ReceiverReceiving && !s.ending && s.zeros && s.complete() {
		s.ending = true
		s.pipe.finish(ctx, s.cfg.Verify, func(p image.Progress) { s.verified.Store(p.RawBytes) })
	}
	if !s.admitted && now.Sub(s.joinAt) >= joinEach {
		s.join(now)
	}
	if s.started.IsZero() && s.admitted && s.heard.State == protocol.SessionSending {
		s.started = now
	}
	if s.admitted && !now.Before(s.reportAt) || s.prompt(now) {
		s.send(now)
	}
	if now.Sub(s.shown) >= statusEach {
		s.shown = now
		s.cfg.Status(s.status(now))
	}
	return s.patience(now)
}

// complete reports whether every data block is written.
func (s *session) complete() bool {
	have := s.collector.objects[protocol.ObjectImage].have
	return s.collector.manifest != nil && s.queued == 0 && len(s.held) == 0 && have.NextAbsent(0) == have.Len()
}

// close tells the sender how it ended, if it did not end well, until the
// sender has acknowledged it. One that is silent or has ended is not waited for.
func (s *session) close(err error) {
	if err == nil {
		return
	}
	s.state, s.failure = protocol.ReceiverFailed, protocol.Text(err.Error(), protocol.MaxText)
	if errors.Is(err, context.Canceled) {
		s.failure = "cancelled at this machine"
	}
	if !s.admitted {
		return
	}
	begin := time.Now()
	until := min(farewell, farewell-begin.Sub(s.heardAt)/2)
	again := time.NewTicker(2 * lookEach)
	defer again.Stop()
	for s.send(begin); !s.acked && !s.heard.State.Over() && time.Since(begin) < until; {
		select {
		case n := <-s.news:
			switch n := n.(type) {
			case protocol.Roster:
				s.places(&n)
				s.answeredAt = time.Now()
			case Heard:
				s.heardAgain(n, time.Now())
			}
		case now := <-again.C:
			s.send(now)
		}
	}
}

// verifyKey checks that a welcome comes from the sender of the announcement.
func (s *session) verifyKey(signed []byte, sig [protocol.SignatureSize]byte) bool {
	return s.sender.Load().Key().Verify(protocol.ContextWelcome, signed, trust.Signature(sig))
}
