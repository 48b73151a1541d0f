package lane

import (
	"io"
	"net/netip"
	"time"
)

// outgoing is content on its way. It can seek, so that clients learn its size.
type outgoing struct {
	content
	server *TFTPServer
	client netip.Addr
	among  *quota // that it has a place in
	until  time.Time
	full   bool // what was read last filled a packet
}

// Read implements io.Reader until the time is over. The library reads on behind
// a full packet when the client has acknowledged it.
func (t *outgoing) Read(p []byte) (n int, err error) {
	if t.full {
		if err := t.prove(); err != nil {
			return 0, err
		}
	}
	if time.Now().After(t.until) {
		return 0, errTFTPSlow
	}
	err = t.server.ask(func() (err error) {
		n, err = t.content.Read(p)
		if err != nil && err != io.EOF {
			err = errTFTPFailed // why is nobody else's business
		}
		return err
	})
	t.full = n == len(p)
	t.server.add(n, 0)
	return n, err
}

// prove moves a newcomer, whose client is there, to the others.
func (t *outgoing) prove() error {
	proven := t.server.proven
	if t.among == proven {
		return nil
	}
	if _, ok := proven.enter(t.client); !ok {
		return errTFTPBusy
	}
	t.among.leave(t.client)
	t.among = proven
	return nil
}
