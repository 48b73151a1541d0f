package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
	"github.com/pxecast/pxecast/internal/boot/tree"
	"github.com/pxecast/pxecast/internal/gate"
)

// Bounds of HTTP.
const (
	connections     = 512              // at a time: several of each machine in a large room
	connectionsEach = 16               // of one address
	headTime        = 5 * time.Second  // for the head of a request
	bodyTime        = 30 * time.Second // for all of a request
	idleTime        = 30 * time.Second // between requests
	partTime        = 20 * time.Second // to take what one Write has
	apiPrefix       = "/v1/"
)

// listenHTTP opens HTTP's port.
func (s *server) listenHTTP() (net.Listener, error) {
	l, err := net.Listen("tcp4", s.http.String())
	if err != nil {
		return nil, portError(fmt.Errorf("serve HTTP: %w", err), "TCP", s.http.Port())
	}
	return gate.NewListener(l, s.subnet, connections, connectionsEach), nil
}

// serveHTTP serves until ctx ends.
func (s *server) serveHTTP(ctx context.Context, l net.Listener) error {
	h := &http.Server{
		Handler:           http.HandlerFunc(s.answer),
		ReadHeaderTimeout: headTime, ReadTimeout: bodyTime, IdleTimeout: idleTime,
		MaxHeaderBytes:               16 << 10,
		ConnContext:                  gate.MarkBusy,
		DisableGeneralOptionsHandler: true,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ErrorLog:                     log.New(io.Discard, "", 0), // what clients do wrong is not for our terminal
	}
	defer context.AfterFunc(ctx, func() { h.Close() })()
	if err := h.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// answer is the handler of all requests. It is no ServeMux: that sends who asks for
// /../x to /x instead of telling him that there is no such name.
func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	switch {
	case gate.Busy(r.Context()):
		w.Header().Set("Connection", "close")
		http.Error(w, gate.ErrBusy.Error(), http.StatusServiceUnavailable)
	case s.cfg.Handler != nil && strings.HasPrefix(r.URL.Path, apiPrefix):
		// Who does not take his answer may not keep his place for ever.
		http.NewResponseController(w).SetWriteDeadline(time.Now().Add(bodyTime))
		s.cfg.Handler.ServeHTTP(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		w.Header().Set("Connection", "close")
		http.Error(w, gate.ErrWrite.Error(), http.StatusMethodNotAllowed)
	default:
		s.file(w, r)
	}
}

// file sends a file of the tree.
func (s *server) file(w http.ResponseWriter, r *http.Request) {
	from := hostOf(r.RemoteAddr)
	who := s.known.at(from)
	if m, ok := dhcp.ParseMAC(r.URL.Query().Get("mac")); ok {
		who = s.known.of(m.String())
	}
	f, err := s.tree.Open(r.URL.Path, s.made(who))
	switch {
	case errors.Is(err, tree.ErrName) || errors.Is(err, tree.ErrNone):
		s.refused(who, from, r.URL.Path, "HTTP", err)
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	case err != nil:
		s.refused(who, from, r.URL.Path, "HTTP", err)
		http.Error(w, gate.ErrFailed.Error(), http.StatusInternalServerError)
		return
	}
	t := &sending{File: f, server: s, event: Event{Machine: who, Addr: from, What: f.Name, Size: f.Size, By: "HTTP"}}
	w.Header().Set("Content-Type", "application/octet-stream")
	timed := &timedWriter{ResponseWriter: w, control: http.NewResponseController(w), until: time.Now().Add(gate.TotalTime(f.Size))}
	http.ServeContent(timed, r, "", f.Modified, t)
	t.Done(t.begun && r.Method == http.MethodGet, timed.outcome(r))
}

// timedWriter gives each part its time, and all of them together.
type timedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	until   time.Time
	err     error
}

// Write implements io.Writer.
func (t *timedWriter) Write(p []byte) (int, error) {
	by := time.Now().Add(partTime)
	if t.until.Before(by) {
		by = t.until
	}
	t.control.SetWriteDeadline(by)
	n, err := t.ResponseWriter.Write(p)
	t.err = err
	return n, err
}

// outcome is how the sending ended.
func (t *timedWriter) outcome(r *http.Request) error {
	if t.err == nil {
		return context.Cause(r.Context())
	}
	return t.err
}

// inUse reports whether an error is that of a port that somebody has.
func inUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
