package gate

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pin/tftp/v3"
)

// TFTPConfig is what ServeTFTP needs. Addr, Check and Open must be set.
type TFTPConfig struct {
	Addr      netip.AddrPort // this machine's own; port 0: any
	Allowed   netip.Prefix   // who may ask, beside this machine itself by loopback
	MTU       int            // of the network; default 1500
	Transfers int            // at a time; default 256. A quarter of them is for newcomers
	PerClient int            // transfers of one address at a time; default 16
	Waits     Waits          // default QuickWaits

	// Check returns why there can be nothing of that name, nil if there can. It is
	// called before anything is spent on a request, one call at a time.
	Check func(name string) error
	// Open returns what a name stands for, or what its client is told instead. It is
	// called after Check, from many goroutines at a time.
	Open func(who netip.Addr, name string) (Content, error)
}

// Content is what is sent.
type Content interface {
	// Read's errors are not for the client, who is told ErrFailed. It can seek, so
	// that clients learn the size.
	io.ReadSeeker
	Size() int64
	// Done is called once at the end: nil means that the client has acknowledged
	// everything. started is false where it asked for no more than the options.
	Done(started bool, err error)
}

// Waits is how long a client has to answer: First, then twice as long each time up
// to Longest, until something was sent Times more.
type Waits struct {
	First, Longest time.Duration
	Times          int
}

// QuickWaits is for the networks that this program is for: 2.4 seconds in all. A
// second each time, as usual, would make each loss cost a second, and there an
// answer takes a few milliseconds. A repetition that comes too early does no harm:
// neither side answers to a packet twice.
var QuickWaits = Waits{First: 60 * time.Millisecond, Longest: 480 * time.Millisecond, Times: 7}

// Backoff returns what to wait in addition to First after attempt n, from 0.
func (w Waits) Backoff(n int) time.Duration {
	return min(w.First<<min(n, 20), w.Longest) - w.First
}

const (
	heads  = 20 + 8 + 4 // bytes of a data packet before its data
	packet = 512        // bytes of data in a packet where nobody asks for more

	// Block is the most bytes of data in a packet.
	Block = 1500 - heads
)

// NewcomersEach is how many newcomers an address may have. Anybody can write any
// address on a request, TFTP can't prove it before it answers, and the library
// repeats the first answer as often as any: so this bounds what a machine that
// asked for nothing is sent.
const NewcomersEach = 8

// A TFTP is a server of TFTP (RFC 1350, with blksize of RFC 2348 and tsize of RFC
// 2349), for reading only.
type TFTP struct {
	cfg       TFTPConfig
	addr      netip.AddrPort
	library   *tftp.Server
	newcomers *quota // of transfers whose clients gave no sign of life yet
	proven    *quota // of the others
	socket    *net.UDPConn
	asking    sync.RWMutex
	closed    bool // guarded by asking
	detach    func() bool
}

// ServeTFTP starts a server. It ends with ctx or by Close, whichever comes first.
func ServeTFTP(ctx context.Context, cfg TFTPConfig) (*TFTP, error) {
	u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(cfg.Addr))
	if err != nil {
		return nil, fmt.Errorf("serve TFTP: %w", err)
	}
	if cfg.Transfers <= 0 {
		cfg.Transfers = 256
	}
	if cfg.PerClient <= 0 {
		cfg.PerClient = 16
	}
	if cfg.MTU <= 0 {
		cfg.MTU = 1500
	}
	if cfg.Waits == (Waits{}) {
		cfg.Waits = QuickWaits
	}
	newcomers := max(1, cfg.Transfers/4)
	s := &TFTP{
		cfg: cfg, addr: u.LocalAddr().(*net.UDPAddr).AddrPort(), socket: u,
		newcomers: newQuota(newcomers, NewcomersEach), proven: newQuota(max(1, cfg.Transfers-newcomers), cfg.PerClient),
	}
	// Not SetAnticipate, in which an error of reading panics, and not
	// EnableSinglePort, which sends on closed channels.
	s.library = tftp.NewServer(s.read, nil)
	s.library.SetTimeout(cfg.Waits.First)
	s.library.SetRetries(cfg.Waits.Times)
	s.library.SetBackoff(cfg.Waits.Backoff)
	// Left to itself the library agrees to no more than 512 bytes when it reads from
	// a gate, and it takes no bound as low as that.
	if size := min(Block, cfg.MTU-heads); size > packet {
		s.library.SetBlockSizeNegotiation(false)
		s.library.SetBlockSize(size)
	}
	g := &socket{UDPConn: u, server: s}
	s.library.SetHook(g)
	go s.library.Serve(g)
	s.detach = context.AfterFunc(ctx, s.shut)
	return s, nil
}

// Addr returns where the server listens.
func (s *TFTP) Addr() netip.AddrPort { return s.addr }

// Newcomers returns how many transfers there are whose clients gave no sign of life
// yet, and Proven how many others.
func (s *TFTP) Newcomers() int { return s.newcomers.taken() }

// Proven is described at Newcomers.
func (s *TFTP) Proven() int { return s.proven.taken() }

// Close ends the server. Once it returns nothing is opened or read any more;
// transfers whose client is silent may take as long as its Waits to be forgotten.
func (s *TFTP) Close() {
	s.detach()
	s.shut()
}

// shut stops all reading and closes the socket, at which the gate ends the rest.
func (s *TFTP) shut() {
	s.asking.Lock()
	s.closed = true
	s.asking.Unlock()
	s.socket.Close()
}

// ask calls do unless nothing must be asked any more.
func (s *TFTP) ask(do func() error) error {
	s.asking.RLock()
	defer s.asking.RUnlock()
	if s.closed {
		return ErrClosed
	}
	return do()
}

// enter gives a request a place among the newcomers. Where these have none it is
// not answered: it comes again, and they are not long there.
func (s *TFTP) enter(who netip.Addr) error {
	if !s.proven.room(who) {
		return ErrBusy
	}
	if _, ok := s.newcomers.enter(who); !ok {
		return errUnanswered
	}
	return nil
}

// read answers a request that the gate let through. What it returns the client is
// told.
func (s *TFTP) read(name string, to io.ReaderFrom) error {
	from := to.(tftp.OutgoingTransfer).RemoteAddr()
	t := &outgoing{server: s, client: from.AddrPort().Addr(), among: s.newcomers}
	defer func() { t.among.leave(t.client) }()
	err := s.ask(func() (err error) {
		t.Content, err = s.cfg.Open(t.client, name)
		return err
	})
	if err != nil {
		return err
	}
	t.until = time.Now().Add(TotalTime(t.Size()))
	_, err = to.ReadFrom(t)
	t.Done(t.started, err)
	return err
}

// TotalTime is how long size bytes may take: at 64 KiB/s and ten seconds, so
// that nobody holds a place for ever by going on slowly.
func TotalTime(size int64) time.Duration {
	return 10*time.Second + time.Duration(size>>16)*time.Second
}
