package lane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/gate"
	"github.com/pxecast/pxecast/protocol"
)

// transfer fetches n, of size bytes, into w. It ends with ctx, which the library
// knows nothing of: then its goroutine stays behind until the next data or the last
// repetition of its own, 2.4 seconds later (for as long as a server that goes on
// agreeing to its options wants), and w is written to no more. That goroutine has
// the place until its end: so whatever servers do, there are no more than parallel
// of them, and who finds no place gives up when his time is over.
func (c *Client) transfer(ctx context.Context, at netip.AddrPort, n name, size int64, w io.Writer) error {
	total := time.NewTimer(c.total(size))
	defer total.Stop()
	select {
	case c.tftp <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-total.C:
		return &Fault{Did: Hung, Err: fmt.Errorf("%d transfers before this one did not end within %v", parallel, c.total(size))}
	}
	silent := time.NewTimer(c.silence)
	defer silent.Stop()
	sink := &sink{w: w, last: time.Now()}
	done := make(chan error, 1)
	go func() {
		err := c.receive(at, n, sink)
		<-c.tftp
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return sink.end(tftpError(at, err, sink.got))
		case <-ctx.Done():
			return sink.end(context.Cause(ctx))
		case <-total.C:
			return sink.end(&Fault{Did: Hung, Err: fmt.Errorf("%v was not enough for %d bytes", c.total(size), size)})
		case <-silent.C:
			rest := c.silence - sink.silence()
			if rest <= 0 {
				return sink.end(&Fault{Did: Hung, Err: fmt.Errorf("nothing for %v", c.silence)})
			}
			silent.Reset(rest)
		}
	}
}

// sink passes on what comes until its end.
type sink struct {
	mu     sync.Mutex
	w      io.Writer
	got    int64
	ended  bool
	last   time.Time // when something came
	failed error     // of w, which is not the peer's unless it says so
}

var errEnded = errors.New("not wanted any more")

// Write implements io.Writer.
func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return 0, errEnded
	}
	n, err := s.w.Write(p)
	s.got += int64(n)
	s.failed = err
	s.last = time.Now() // w may have taken its time, which is not the peer's fault
	return n, err
}

// silence returns for how long nothing has come.
func (s *sink) silence() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.last)
}

// end lets nothing more through and returns err, or what ended it before.
func (s *sink) end(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.failed != nil {
		return s.failed
	}
	return err
}

// tftpError makes of the library's errors, most of which are text, a Fault where
// the peer is to blame; got is how many bytes came before.
func tftpError(at netip.AddrPort, err error, got int64) error {
	if err == nil {
		return nil
	}
	said, ok := strings.CutPrefix(err.Error(), "code: ")
	switch d := did(err); {
	case d != 0:
		return &Fault{Did: d, Err: err}
	case ok:
		f := &Fault{Did: saidByTFTP(said), Err: fmt.Errorf("it said: code %s", protocol.Text(strings.TrimRight(said, "\x00"), protocol.MaxText))}
		if got > 0 && f.Did != Busy {
			f.Did = Closed
		}
		return f
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("ask %v: %w", at, err)
	}
	return &Fault{Did: Garbled, Err: errors.New(protocol.Text(err.Error(), protocol.MaxText))}
}

// saidByTFTP returns what an error packet says (RFC 1350 §5) that comes first,
// given as its code and its message.
func saidByTFTP(said string) Did {
	switch {
	case strings.Contains(said, gate.ErrBusy.Error()):
		return Busy
	case strings.Contains(said, gate.ErrFailed.Error()), strings.Contains(said, gate.ErrClosed.Error()):
		return Closed
	case strings.HasPrefix(said, "1,"): // file not found
		return Lacks
	}
	return Refused
}
