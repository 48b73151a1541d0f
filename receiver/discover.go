package receiver

import (
	"context"
	"errors"
	"net"
	"net/netip"
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
	At time.Time
}

// Key returns the sender's public key.
func (h *Heard) Key() trust.PublicKey { return trust.PublicKey(h.PublicKey) }

// Image returns the image's ID.
func (h *Heard) Image() image.ID { return image.ID(h.ImageID) }

// mostSessions bounds what a flood of announcements makes us remember; a room
// has a handful.
const mostSessions = 256

// Discover calls each for every fresh announcement on the network until ctx
// ends, and then returns nil. A replayed or forged one is never shown.
func Discover(ctx context.Context, network mcast.Network, each func(Heard)) error {
	r, err := network.Listen(protocol.Discovery, netip.Addr{}, 0)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { r.Close() })()
	defer r.Close()
	seen := map[sessionKey]uint64{}
	b := mcast.NewBatch(4)
	for {
		if err := r.Read(b, time.Time{}); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			time.Sleep(lookEach) // an error that stays must not spin
			continue
		}
		for d := range b.Datagrams() {
			if h, ok := fresh(d, seen); ok {
				each(h)
			}
		}
	}
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
