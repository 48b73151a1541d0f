package lane

import (
	"net/netip"
	"sync"
	"time"
)

// idle keeps connections for the next request. The zero value is ready.
type idle struct {
	mu    sync.Mutex
	conns map[netip.AddrPort][]*conn
}

const (
	mostIdle = 4               // connections to one peer; more wait only where more requests run at a time
	longIdle = 3 * time.Second // well before servers close them
)

// take returns a connection to at that waits, nil if there is none.
func (i *idle) take(at netip.AddrPort) *conn {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.sweep(time.Now())
	all := i.conns[at]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	i.conns[at] = all[:len(all)-1]
	return c
}

// put lets c wait.
func (i *idle) put(c *conn) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c.rested = time.Now()
	i.sweep(c.rested)
	if len(i.conns[c.at]) >= mostIdle {
		c.Close()
		return
	}
	if i.conns == nil {
		i.conns = make(map[netip.AddrPort][]*conn)
	}
	i.conns[c.at] = append(i.conns[c.at], c)
}

// sweep closes what has waited for too long; the first of a peer has for longest.
func (i *idle) sweep(now time.Time) {
	for at, all := range i.conns {
		for len(all) > 0 && now.Sub(all[0].rested) > longIdle {
			all[0].Close()
			all = all[1:]
		}
		if i.conns[at] = all; len(all) == 0 {
			delete(i.conns, at)
		}
	}
}

// close closes them all.
func (i *idle) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, all := range i.conns {
		for _, c := range all {
			c.Close()
		}
	}
	clear(i.conns)
}
