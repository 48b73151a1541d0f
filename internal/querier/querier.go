// Package querier asks the hosts of a network which multicast groups they want:
// an IGMP querier (RFC 3376), for networks that have none. Switches that filter
// multicast (IGMP snooping, RFC 4541) learn from the hosts' answers. Where nobody
// asks, hosts report once, when they join, and after 260 s (§8.4) such a switch
// takes them for gone and sends them nothing more.
//
// It is a querier without a router: it asks, and leaves the answers to the
// switches. The hosts' side of IGMP is the kernel's.
package querier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
)

// allHosts is where general queries go (RFC 3376 §4.1.12).
var allHosts = netip.AddrFrom4([4]byte{224, 0, 0, 1})

// Config is what a querier needs. Interface and Addr must be set.
type Config struct {
	Interface string     // name of the network interface
	Addr      netip.Addr // of this machine there, IPv4: queries come from it
	Mode      Mode       // default Auto
	Timing    Timing     // default that of RFC 3376
	// Notice is called by Run at every change of role, when queries can't be
	// sent, and when they can again. Default: nobody is told.
	Notice func(Notice)
}

// Notice is a change.
type Notice struct {
	Role  Role
	Other netip.Addr // Silent: who asks; 0.0.0.0 for one that gives no address
	Err   error      // not nil: our query could not be sent; Role is Asking
}

// Querier is open and hears others; Run makes it ask.
type Querier struct {
	cfg    Config
	conn   *net.IPConn
	role   Role  // as of the last notice
	failed error // of the last query
}

// Open opens a raw socket for IGMP on the interface, which takes CAP_NET_RAW:
// without it the error satisfies errors.Is(err, os.ErrPermission). From now on
// queries of others are kept for Run, so opening early is hearing more.
func Open(cfg Config) (*Querier, error) {
	var err error
	if cfg.Timing, err = cfg.Timing.validate(); err != nil {
		return nil, err
	}
	if !cfg.Addr.Is4() {
		return nil, fmt.Errorf("querier on %s: %v is not an IPv4 address", cfg.Interface, cfg.Addr)
	}
	if cfg.Notice == nil {
		cfg.Notice = func(Notice) {}
	}
	conn, err := open(cfg.Interface, cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("open a raw socket for IGMP on %s: %w", cfg.Interface, err)
	}
	return &Querier{cfg: cfg, conn: conn}, nil
}

// Close closes a querier that does not run; for one that does, end its context.
func (q *Querier) Close() error { return q.conn.Close() }

// Run asks and listens until ctx ends, which is no error, and closes q.
func (q *Querier) Run(ctx context.Context) error {
	defer q.conn.Close()
	defer context.AfterFunc(ctx, func() { q.conn.Close() })()
	e := newElection(q.cfg.Addr, q.cfg.Mode, q.cfg.Timing, time.Now())
	buffer := make([]byte, maxMessage)
	query, hurry := q.queries()
	for ctx.Err() == nil {
		var failed error
		if e.due(time.Now()) {
			ask := query
			if e.urgent {
				ask = hurry
			}
			_, failed = q.conn.WriteToIP(ask, &net.IPAddr{IP: allHosts.AsSlice()})
			if ctx.Err() != nil {
				break
			}
			q.asked(failed)
		}
		if failed == nil {
			q.changed(&e)
		}
		from, heard, err := q.read(buffer, e.next)
		switch {
		case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return fmt.Errorf("read IGMP on %s: %w", q.cfg.Interface, err)
		default:
			if m, err := ParseQuery(heard); err == nil {
				e.hear(time.Now(), from, m)
			}
		}
	}
	return nil
}

// queries returns our usual query and the one that wants answers at once.
func (q *Querier) queries() (usual, hurry []byte) {
	t := q.cfg.Timing
	usual = appendGeneral(nil, t)
	t.Response = min(t.Response, urgent)
	return usual, appendGeneral(nil, t)
}

// read waits for one message until deadline.
func (q *Querier) read(b []byte, deadline time.Time) (from netip.Addr, message []byte, err error) {
	if err := q.conn.SetReadDeadline(deadline); err != nil {
		return from, nil, err
	}
	n, addr, err := q.conn.ReadFromIP(b)
	if err != nil {
		return from, nil, err
	}
	from, _ = netip.AddrFromSlice(addr.IP)
	return from.Unmap(), b[:n], nil
}

// asked tells of the first of several queries that could not be sent, and lets
// the first that could again be news. The next one is tried at its time: an
// interface that is down comes up again.
func (q *Querier) asked(err error) {
	if err != nil && q.failed == nil {
		q.cfg.Notice(Notice{Role: Asking, Err: fmt.Errorf("send an IGMP query on %s: %w", q.cfg.Interface, err)})
	}
	if err == nil && q.failed != nil {
		q.role = Listening
	}
	q.failed = err
}

// changed tells of a new role.
func (q *Querier) changed(e *election) {
	if e.role != q.role {
		q.role = e.role
		q.cfg.Notice(Notice{Role: e.role, Other: e.other})
	}
}
