package receiver

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// Heard is a session as its latest announcement describes it. Its signature
// was right; whether its key is to be trusted is for the caller to decide.
type Heard struct {
	protocol.Announce
	At      time.Time
	Unicast bool // the sender was asked for it, or sent it to us alone
}

// Key returns the sender's public key.
func (h *Heard) Key() trust.PublicKey { return trust.PublicKey(h.PublicKey) }

// Image returns the image's ID.
func (h *Heard) Image() image.ID { return image.ID(h.ImageID) }

// mostSessions bounds what a flood of announcements makes us remember; a room
// has a handful.
const mostSessions = 256

// Discover calls each for every fresh announcement until ctx ends, and then
// returns nil. A replayed or forged one is never shown. What does not come by
// multicast from server, an IPv4 address or none, is asked for there by unicast.
func Discover(ctx context.Context, network mcast.Network, server netip.Addr, each func(Heard)) error {
	r, err := network.Listen(protocol.Discovery, netip.Addr{}, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { r.Close() })()
	now := time.Now()
	h := &hearing{server: server.Unmap(), each: each, seen: map[sessionKey]uint64{}, asker: asker{group: now, sign: now}}
	if server.IsValid() {
		c, err := network.Open(0)
		if err != nil {
			return err
		}
		var asking sync.WaitGroup
		asking.Go(func() { h.ask(ctx, c) })
		defer func() {
			cancel()
			c.Close()
			asking.Wait()
		}()
	}
	b := mcast.NewBatch(4)
	for {
		if err := h.read(ctx, r, b, time.Time{}, false); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// hearing is what both ways of an announcement share.
type hearing struct {
	server netip.Addr // none: nobody is asked

	mu    sync.Mutex
	each  func(Heard) // never called twice at once
	seen  map[sessionKey]uint64
	asker asker
}

// read takes what has come until a deadline. Its error is one that does not
// pass, unless ctx has ended.
func (h *hearing) read(ctx context.Context, r mcast.Reader, b *mcast.Batch, deadline time.Time, unicast bool) error {
	switch err := r.Read(b, deadline); {
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case errors.Is(err, net.ErrClosed):
		return err
	case err != nil:
		time.Sleep(lookEach) // an error that stays must not spin
	}
	for d, from := range b.Datagrams() {
		if !unicast || from.Addr() == h.server {
			h.datagram(d, from.Addr(), unicast)
		}
	}
	return nil
}

func (h *hearing) datagram(d []byte, from netip.Addr, unicast bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	heard, ok := fresh(d, h.seen)
	if !ok {
		return
	}
	heard.Unicast = unicast
	if from == h.server {
		h.asker.heard(heard.At, unicast)
	}
	h.each(heard)
}

type sessionKey struct {
	key     trust.PublicKey
	session protocol.SessionID
}

// fresh parses an announcement and checks its counter and signature.
func fresh(d []byte, seen map[sessionKey]uint64) (Heard, bool) {
	a, signed, err := protocol.ParseAnnounce(d)
	if err != nil {
		return Heard{}, false
	}
	k := sessionKey{trust.PublicKey(a.PublicKey), a.Session}
	last, known := seen[k]
	if known && a.Counter <= last || !k.key.Verify(protocol.ContextAnnounce, signed, trust.Signature(a.Signature)) {
		return Heard{}, false
	}
	if !known && len(seen) >= mostSessions {
		clear(seen)
	}
	seen[k] = a.Counter
	return Heard{Announce: a, At: time.Now()}, true
}
