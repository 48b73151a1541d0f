package sender

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// eventQueue bounds the reports and joins that wait for the scheduler. More
// are dropped: each states a condition and comes again.
const eventQueue = 1024

// event is a datagram from a receiver whose address is proven.
type event struct {
	from   netip.AddrPort
	join   *protocol.Join
	report *protocol.Report
}

// control reads what receivers send. It answers a first JOIN by a challenge
// without keeping anything of it.
type control struct {
	session protocol.SessionID
	conn    mcast.Conn
	secret  [32]byte
	events  chan event
	reports sync.Pool
}

func newControl(id protocol.SessionID, conn mcast.Conn) *control {
	c := &control{session: id, conn: conn, events: make(chan event, eventQueue)}
	c.reports.New = func() any { return new(protocol.Report) }
	rand.Read(c.secret[:])
	return c
}

// cookie is what only somebody who receives at that address can know.
func (c *control) cookie(to netip.AddrPort) (k protocol.Cookie) {
	h := hmac.New(sha256.New, c.secret[:])
	b, _ := to.MarshalBinary()
	h.Write(b)
	copy(k[:], h.Sum(nil))
	return k
}

// run reads until ctx ends or the socket is closed.
func (c *control) run(ctx context.Context) error {
	b := mcast.NewBatch(16)
	for {
		if err := c.conn.Read(b, time.Time{}); err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			// An ICMP error of a receiver that left ends nothing.
			continue
		}
		for d, from := range b.Datagrams() {
			c.datagram(d, from)
		}
	}
}

func (c *control) datagram(d []byte, from netip.AddrPort) {
	h, err := protocol.ParseHeader(d)
	if err != nil || h.Session != c.session {
		return
	}
	switch h.Type {
	case protocol.TypeJoin:
		j, err := protocol.ParseJoin(d)
		if err != nil {
			return
		}
		if cookie := c.cookie(from); !hmac.Equal(j.Cookie[:], cookie[:]) {
			c.challenge(&j, cookie, from)
			return
		}
		c.post(event{from: from, join: &j})
	case protocol.TypeReport:
		r := c.reports.Get().(*protocol.Report)
		cookie := c.cookie(from)
		if protocol.ParseReport(d, r) != nil || !hmac.Equal(r.Cookie[:], cookie[:]) || !c.post(event{from: from, report: r}) {
			c.reports.Put(r)
		}
	}
}

func (c *control) post(e event) bool {
	select {
	case c.events <- e:
		return true
	default:
		return false
	}
}

func (c *control) challenge(j *protocol.Join, k protocol.Cookie, to netip.AddrPort) {
	w := protocol.Welcome{Session: c.session, Receiver: j.Receiver, Nonce: j.Nonce, Status: protocol.WelcomeChallenge, Cookie: k}
	if d, err := w.AppendBinary(nil, nil); err == nil {
		c.conn.WriteTo(d, to)
	}
}
