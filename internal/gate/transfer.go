package gate

import (
	"io"
	"net/netip"
	"time"
)

// outgoing is content on its way.
type outgoing struct {
	Content
	server  *TFTP
	client  netip.Addr
	among   *quota // that it has a place in
	until   time.Time
	started bool // it was read from
	full    bool // what was read last filled a packet
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
		return 0, ErrSlow
	}
	err = t.server.ask(func() (err error) {
		t.started = true
		n, err = t.Content.Read(p)
		if err != nil && err != io.EOF {
			err = ErrFailed // why is nobody else's business
		}
		return err
	})
	t.full = n == len(p)
	return n, err
}

// prove moves a newcomer, whose client is there, to the others.
func (t *outgoing) prove() error {
	proven := t.server.proven
	if t.among == proven {
		return nil
	}
	if _, ok := proven.enter(t.client); !ok {
		return ErrBusy
	}
	t.among.leave(t.client)
	t.among = proven
	return nil
}
