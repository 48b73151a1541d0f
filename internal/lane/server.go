package lane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/gate"
	"github.com/pxecast/pxecast/protocol"
)

// ServerConfig is what Serve needs. Store and Addr must be set.
type ServerConfig struct {
	Store       Store
	Addr        netip.Addr   // this machine's own on the session's network
	Allowed     netip.Prefix // who may ask, beside this machine itself by loopback: the session's subnet
	Connections int          // at a time; default 128
	PerClient   int          // connections of one address at a time; default 16
}

// Times that a client has.
const (
	headTime = 2 * time.Second // for a request, from when it connects
	idleTime = 5 * time.Second // between requests
	partTime = 5 * time.Second // to take partSize bytes
	partSize = 64 << 10
)

// A Server serves a Store over HTTP.
type Server struct {
	served
	store    Store
	addr     netip.AddrPort
	http     http.Server
	buffers  sync.Pool // *[]byte
	handling sync.RWMutex
	closed   bool // guarded by handling
	over     chan struct{}
	detach   func() bool
}

// Serve starts a server on a free TCP port of cfg.Addr. It ends with ctx or by
// Close, whichever comes first.
func Serve(ctx context.Context, cfg ServerConfig) (*Server, error) {
	l, err := net.Listen("tcp4", netip.AddrPortFrom(cfg.Addr, 0).String())
	if err != nil {
		return nil, fmt.Errorf("serve blocks over HTTP: %w", err)
	}
	return serveOn(ctx, l, cfg), nil
}

// serveOn starts a server on a listener.
func serveOn(ctx context.Context, l net.Listener, cfg ServerConfig) *Server {
	if cfg.Connections <= 0 {
		cfg.Connections = 128
	}
	if cfg.PerClient <= 0 {
		cfg.PerClient = 16
	}
	s := &Server{
		store: cfg.Store, addr: l.Addr().(*net.TCPAddr).AddrPort(),
		over: make(chan struct{}),
	}
	s.buffers.New = func() any { b := make([]byte, 0, protocol.MaxFrame); return &b }
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: headTime, IdleTimeout: idleTime, WriteTimeout: partTime,
		MaxHeaderBytes:               4 << 10,
		ConnContext:                  gate.MarkBusy,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     log.New(io.Discard, "", 0), // what clients do wrong is not for our terminal
	}
	go func() {
		defer close(s.over)
		s.http.Serve(gate.NewListener(l, cfg.Allowed, cfg.Connections, cfg.PerClient))
	}()
	s.detach = context.AfterFunc(ctx, s.end)
	return s
}

// Addr returns where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Close closes all connections. Once it returns the store is asked no more.
func (s *Server) Close() {
	s.detach()
	s.end()
	<-s.over
}

func (s *Server) end() {
	s.http.Close()
	s.handling.Lock()
	defer s.handling.Unlock()
	s.closed = true
}

// answer is the handler of all requests.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	s.handling.RLock()
	defer s.handling.RUnlock()
	busy := gate.Busy(r.Context())
	path, rooted := strings.CutPrefix(r.RequestURI, "/")
	n, named := parseName(path)
	switch {
	case s.closed:
		refuse(w, http.StatusServiceUnavailable, "closed")
	case busy:
		refuse(w, http.StatusServiceUnavailable, "busy: ask again later")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "read only")
	case r.ContentLength != 0:
		refuse(w, http.StatusBadRequest, "a request has no body here")
	case !rooted || !named:
		http.Error(w, "no such name", http.StatusNotFound)
	default:
		s.send(w, r, n)
	}
}

// refuse answers with an error and ends the connection.
func refuse(w http.ResponseWriter, status int, why string) {
	// Nobody waits for a body that was announced: the connection ends here.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	w.Header().Set("Connection", "close")
	http.Error(w, why, status)
}

// send answers with what n names.
func (s *Server) send(w http.ResponseWriter, r *http.Request, n name) {
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	c, err := open(s.store, n, *buf)
	switch {
	case errors.Is(err, errLacks):
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		http.Error(w, "it cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(c.Size(), 10))
	if r.Method == http.MethodHead {
		return
	}
	if s.copy(w, c) {
		s.add(0, c.blocks)
	}
}

// copy sends c in parts, each of which has its time, all together too.
func (s *Server) copy(w http.ResponseWriter, c content) (whole bool) {
	control := http.NewResponseController(w)
	until := time.Now().Add(gate.TotalTime(c.Size()))
	for left := c.Size(); left > 0; {
		by := time.Now().Add(partTime)
		if until.Before(by) {
			by = until
		}
		control.SetWriteDeadline(by)
		n, err := io.CopyN(w, c, min(left, partSize))
		s.add(int(n), 0)
		if err != nil {
			return false
		}
		left -= n
	}
	return true
}
