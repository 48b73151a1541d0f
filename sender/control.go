package sender

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"hash"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// What waits for the scheduler is bounded; more is dropped, as each states a
// condition and comes again: a JOIN every 100 ms, and a room that hears its
// sender begin joins all at once.
const (
	reportQueue = 1024
	joinQueue   = 128

	// Of what waits, so much at the most comes from one address: a JOIN costs a
	// signature. There may be a room behind it, of machines that join ten times
	// and report fifty times a second.
	joinEach, joinsAtOnce     = time.Millisecond, 64
	reportEach, reportsAtOnce = 200 * time.Microsecond, 512
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
	mac     hash.Hash // keyed by a secret, for cookies
	sum     []byte    // scratch of cookie
	joins   chan joining
	reports chan reporting
	joined  *shares      // of joins
	told    *shares      // of reports
	pool    sync.Pool    // of *protocol.Report
	rest    atomic.Int64 // nanoseconds that datagrams may wait, to be taken together
	answers answers
}

func newControl(id protocol.SessionID, conn mcast.Conn) *control {
	c := &control{session: id, conn: conn, joins: make(chan joining, joinQueue), reports: make(chan reporting, reportQueue), joined: newShares(1 << 10), told: newShares(1 << 10), answers: answers{to: newShares(1 << 13)}}
	c.pool.New = func() any { return new(protocol.Report) }
	var secret [32]byte
	rand.Read(secret[:])
	c.mac = hmac.New(sha256.New, secret[:])
	return c
}

// cookie is what only somebody who receives at that address can know.
func (c *control) cookie(to netip.AddrPort) (k protocol.Cookie) {
	c.mac.Reset()
	c.sum, _ = to.AppendBinary(c.sum[:0])
	c.mac.Write(c.sum)
	c.sum = c.mac.Sum(c.sum[:0])
	copy(k[:], c.sum)
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
		// What filled the batch left more behind: that has waited already.
		if rest := time.Duration(c.rest.Load()); rest > 0 && !b.Full() {
			time.Sleep(rest)
		}
	}
}

func (c *control) datagram(d []byte, from netip.AddrPort) {
	h, err := protocol.ParseHeader(d)
	if err == nil && h.Type == protocol.TypeSolicit {
		c.solicited(d, from)
		return
	}
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
		if !c.joined.take(from.Addr(), time.Now(), joinEach, joinsAtOnce) {
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
	if protocol.ParseReport(d, r) == nil && hmac.Equal(r.Cookie[:], cookie[:]) && c.told.take(from.Addr(), time.Now(), reportEach, reportsAtOnce) {
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
