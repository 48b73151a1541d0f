package lane

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

// TFTPConfig is what ServeTFTP needs. Store and Addr must be set.
type TFTPConfig struct {
	Store     PackedStore
	Addr      netip.Addr   // this machine's own on the session's network
	Allowed   netip.Prefix // who may ask, beside this machine itself by loopback: the session's subnet
	Port      uint16       // 0 any
	MTU       int          // of that network; default 1500
	Transfers int          // at a time; default 256. A quarter of them is for newcomers
	PerClient int          // transfers of one address at a time; default 16
}

// How long either side waits for an answer before it sends again, and how often it
// does: after 60 ms first, then twice as long each time up to half a second; 2.4
// seconds in all. A second, as usual, would make each loss cost a second, and in
// the networks that this is for an answer takes a few milliseconds. A repetition
// that comes too early does no harm: neither side answers to a packet twice.
const (
	tftpWait  = 60 * time.Millisecond
	tftpAgain = 7
)

// tftpBackoff returns what to wait in addition after attempt n, from 0.
func tftpBackoff(n int) time.Duration { return tftpWait<<min(n, 3) - tftpWait }

const (
	tftpHeads = 20 + 8 + 4 // bytes of a data packet before its data
	tftpBlock = 1500 - tftpHeads
	tftpLeast = 512 // bytes of data in a packet where nobody asks for more
)

// newcomersEach is how many newcomers an address may have. Anybody can write any
// address on a request, TFTP can't prove it before it answers, and the library
// repeats the first answer as often as any: so this bounds what a machine that
// asked for nothing is sent.
const newcomersEach = 8

// A TFTPServer serves a PackedStore over TFTP (RFC 1350, with blksize of RFC 2348
// and tsize of RFC 2349). Names of blocks' ranges and of the manifest are served,
// for reading only.
type TFTPServer struct {
	served
	store     PackedStore
	allowed   netip.Prefix
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
func ServeTFTP(ctx context.Context, cfg TFTPConfig) (*TFTPServer, error) {
	u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(cfg.Addr, cfg.Port)))
	if err != nil {
		return nil, fmt.Errorf("serve blocks over TFTP: %w", err)
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
	newcomers := max(1, cfg.Transfers/4)
	s := &TFTPServer{
		store: cfg.Store, allowed: cfg.Allowed, addr: u.LocalAddr().(*net.UDPAddr).AddrPort(), socket: u,
		newcomers: newQuota(newcomers, newcomersEach), proven: newQuota(max(1, cfg.Transfers-newcomers), cfg.PerClient),
	}
	// Not SetAnticipate, in which an error of reading panics, and not
	// EnableSinglePort, which sends on closed channels.
	s.library = tftp.NewServer(s.read, nil)
	s.library.SetTimeout(tftpWait)
	s.library.SetRetries(tftpAgain)
	s.library.SetBackoff(tftpBackoff)
	// Left to itself the library agrees to no more than 512 bytes when it reads from
	// a gate, and it takes no bound as low as that.
	if block := min(tftpBlock, cfg.MTU-tftpHeads); block > tftpLeast {
		s.library.SetBlockSizeNegotiation(false)
		s.library.SetBlockSize(block)
	}
	g := &gate{UDPConn: u, server: s}
	s.library.SetHook(g)
	go s.library.Serve(g)
	s.detach = context.AfterFunc(ctx, s.shut)
	return s, nil
}

// Addr returns where the server listens.
func (s *TFTPServer) Addr() netip.AddrPort { return s.addr }

// Close ends the server. Once it returns the store is asked no more; transfers
// whose client is silent may take 2.4 seconds more to be forgotten.
func (s *TFTPServer) Close() {
	s.detach()
	s.shut()
}

// shut stops all asking of the store and closes the socket, at which the gate ends
// the rest.
func (s *TFTPServer) shut() {
	s.asking.Lock()
	s.closed = true
	s.asking.Unlock()
	s.socket.Close()
}

// ask calls do unless the store must not be asked any more.
func (s *TFTPServer) ask(do func() error) error {
	s.asking.RLock()
	defer s.asking.RUnlock()
	if s.closed {
		return errTFTPClosed
	}
	return do()
}

// enter gives a request a place among the newcomers. Where these have none it is
// not answered: it comes again, and they are not long there.
func (s *TFTPServer) enter(who netip.Addr) error {
	if !s.proven.room(who) {
		return errTFTPBusy
	}
	if _, ok := s.newcomers.enter(who); !ok {
		return errUnanswered
	}
	return nil
}

// read answers a request that the gate let through. What it returns the client is
// told.
func (s *TFTPServer) read(filename string, to io.ReaderFrom) error {
	from := to.(tftp.OutgoingTransfer).RemoteAddr()
	t := &outgoing{server: s, client: from.AddrPort().Addr(), among: s.newcomers}
	defer func() { t.among.leave(t.client) }()
	n, _ := parseName(filename)
	err := s.ask(func() (err error) {
		t.content, err = open(s.store, n, nil)
		return err
	})
	if err != nil {
		return err
	}
	t.until = time.Now().Add(totalTime(t.Size()))
	if _, err = to.ReadFrom(t); err == nil {
		s.add(0, t.blocks)
	}
	return err
}
