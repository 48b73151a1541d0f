package lane

import (
	"time"

	"github.com/pin/tftp/v3"
)

// ending ends the library's server from its own loop. Shutdown waits for the
// transfers with a WaitGroup that the loop adds to, which no other goroutine may
// do without a race; and the loop tells only of packets that are none.
type ending struct{ s *TFTPServer }

var _ tftp.Hook = ending{}

// OnSuccess implements tftp.Hook.
func (ending) OnSuccess(tftp.TransferStats) {}

// OnFailure implements tftp.Hook. The failures of transfers have an address, those
// of the loop have none.
func (e ending) OnFailure(of tftp.TransferStats, _ error) {
	s := e.s
	if of.RemoteAddr != nil {
		return
	}
	s.reading.RLock()
	closed := s.closed
	s.reading.RUnlock()
	if !closed {
		return
	}
	s.socket.Close()
	close(s.over)
	s.server.Shutdown()
}

// shut closes the socket and stops all reading.
func (s *TFTPServer) shut() {
	s.reading.Lock()
	s.closed = true
	s.reading.Unlock()
	// A packet that is none reaches the loop, unless its queue is full or the
	// network card is gone.
	again := time.NewTicker(shutEach)
	defer again.Stop()
	for range shutTries {
		s.socket.WriteToUDPAddrPort([]byte{0}, s.addr)
		select {
		case <-s.over:
			return
		case <-again.C:
		}
	}
	s.socket.Close()
	go s.server.Shutdown()
}

const (
	shutEach  = 20 * time.Millisecond
	shutTries = 50
)
