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

// What waits for the scheduler is bounded; more is dropped, as each states a
// condition and comes again. Few JOINs wait, because each costs a signature: a
// flood of them must not keep the sender from its work.
const (
	reportQueue = 1024
	joinQueue   = 8
)

// joining and reporting are datagrams from a receiver whose address is proven.
type (
	joining struct {
		from netip.AddrPort
		join protocol.Join
	}
	reporting struct {
		from   netip.AddrPort
		report *protocol.Report
	}
)

// control reads what receivers send. It answers a first JOIN by a challenge
// without keeping anything of it.
type control struct {
	session protocol.SessionID
	conn    mcast.Conn
	secret  [32]byte
	joins   chan joining
	reports chan reporting
	pool    sync.Pool // of *protocol.Report
}

func newControl(id protocol.SessionID, conn mcast.Conn) *control {
	c := &control{session: id, conn: conn, joins: make(chan joining, joinQueue), reports: make(chan reporting, reportQueue)}
	c.pool.New = func() any { return new(protocol.Report) }
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
			// An ICMP error of a receiver that left ends nothing; one that
			// stays must not spin.
			time.Sleep(minInterval)
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
		select {
		case c.joins <- joining{from, j}:
		default:
		}
	case protocol.TypeReport:
		c.report(d, from)
	}
}

func (c *control) report(d []byte, from netip.AddrPort) {
	r := c.pool.Get().(*protocol.Report)
	cookie := c.cookie(from)
	if protocol.ParseReport(d, r) == nil && hmac.Equal(r.Cookie[:], cookie[:]) {
		select {
		case c.reports <- reporting{from, r}:
			return // to be put back by who takes it
		default:
		}
	}
	c.pool.Put(r)
}

func (c *control) challenge(j *protocol.Join, k protocol.Cookie, to netip.AddrPort) {
	w := protocol.Welcome{Session: c.session, Receiver: j.Receiver, Nonce: j.Nonce, Status: protocol.WelcomeChallenge, Cookie: k}
	if d, err := w.AppendBinary(nil, nil); err == nil {
		c.conn.WriteTo(d, to)
	}
}
