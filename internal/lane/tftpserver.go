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
	Addr      netip.Addr // this machine's own on the session's network
	Port      uint16     // 0 any
	Transfers int        // at a time; default 256
	PerClient int        // transfers of one address at a time; default 16
}

// How long either side waits for an answer before it sends again, and how often it
// does: after 60 ms first, then twice as long each time up to half a second; two
// seconds in all. A second, as usual, would make each loss cost a second, and in
// the networks that this is for an answer takes a few milliseconds. A repetition
// that comes too early does no harm: neither side answers to a packet twice.
const (
	tftpWait  = 60 * time.Millisecond
	tftpAgain = 7
)

// tftpBackoff returns what to wait in addition after attempt n, from 0.
func tftpBackoff(n int) time.Duration { return tftpWait<<min(n, 3) - tftpWait }

// tftpBlock is the most bytes of a data packet: what an MTU of 1500 leaves.
const tftpBlock = 1500 - 20 - 8 - 4

// A TFTPServer serves a PackedStore over TFTP, to anyone who asks: it is for
// those that nothing else reaches, from behind a router too. Names of blocks'
// ranges and of the manifest are served, for reading only.
type TFTPServer struct {
	served
	store   PackedStore
	addr    netip.AddrPort
	server  *tftp.Server
	quota   *quota
	reading sync.RWMutex
	closed  bool // guarded by reading
	socket  *net.UDPConn
	over    chan struct{} // the socket is closed
	detach  func() bool
	end     func()
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
	s := &TFTPServer{
		store: cfg.Store, addr: u.LocalAddr().(*net.UDPAddr).AddrPort(),
		quota: newQuota(cfg.Transfers, cfg.PerClient),
		over:  make(chan struct{}), socket: u,
	}
	// Not SetAnticipate, in which an error of reading panics, and not
	// EnableSinglePort, which sends on closed channels.
	s.server = tftp.NewServer(s.read, nil)
	s.server.SetTimeout(tftpWait)
	s.server.SetRetries(tftpAgain)
	s.server.SetBackoff(tftpBackoff)
	s.server.SetBlockSize(tftpBlock)
	s.server.SetHook(ending{s})
	go s.server.Serve(u)
	s.end = sync.OnceFunc(s.shut)
	s.detach = context.AfterFunc(ctx, s.end)
	return s, nil
}

// Addr returns where the server listens.
func (s *TFTPServer) Addr() netip.AddrPort { return s.addr }

// Close ends the server. Once it returns the store is asked no more; transfers
// whose client is silent may take two seconds more to be forgotten.
func (s *TFTPServer) Close() {
	s.detach()
	s.end()
}

// read answers a read request. What it returns the client is told.
func (s *TFTPServer) read(filename string, to io.ReaderFrom) error {
	n, ok := parseName(filename)
	if !ok || n.kind != manifestKind && n.kind != blocksKind {
		return errTFTPName
	}
	remote := to.(tftp.OutgoingTransfer).RemoteAddr()
	who := hostOf(&remote)
	if _, ok := s.quota.enter(who); !ok {
		return errTFTPBusy
	}
	defer s.quota.leave(who)
	c, err := open(s.store, n, nil)
	if err != nil {
		return err
	}
	_, err = to.ReadFrom(&transfer{content: c, server: s, until: time.Now().Add(totalTime(c.Size()))})
	if err == nil {
		s.add(0, c.blocks)
	}
	return err
}

// transfer is content on its way. It can seek, so that clients learn its size.
type transfer struct {
	content
	server *TFTPServer
	until  time.Time
}

// Read implements io.Reader until the time is over.
func (t *transfer) Read(p []byte) (int, error) {
	t.server.reading.RLock()
	defer t.server.reading.RUnlock()
	switch {
	case t.server.closed:
		return 0, errTFTPClosed
	case time.Now().After(t.until):
		return 0, errTFTPSlow
	}
	n, err := t.content.Read(p)
	if n > 0 {
		t.server.add(n, 0)
	}
	if err != nil && err != io.EOF {
		err = errTFTPFailed // why is nobody else's business
	}
	return n, err
}
