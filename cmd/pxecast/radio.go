package main

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// radio keeps the latest announcement of every session on a network.
type radio struct {
	mu     sync.Mutex
	latest map[station]receiver.Heard
	order  []station  // as first heard
	news   chan bool  // something was heard since the last receive
	failed chan error // the one error that ended the listening
}

// station is one session of one sender: a session's number alone could be
// anybody's.
type station struct {
	session protocol.SessionID
	key     [32]byte
}

func stationOf(h *receiver.Heard) station { return station{h.Session, h.PublicKey} }

// listen hears announcements until ctx ends; those of server, if there is one,
// even where multicast does not reach.
func listen(ctx context.Context, network mcast.Network, server netip.Addr) *radio {
	r := &radio{latest: map[station]receiver.Heard{}, news: make(chan bool, 1), failed: make(chan error, 1)}
	go func() {
		if err := receiver.Discover(ctx, network, server, r.hear); err != nil {
			r.failed <- err
		}
	}()
	return r
}

// mostStations bounds what a flood of invented sessions makes us remember;
// the oldest are forgotten first, and real ones are heard again at once.
const mostStations = 256

func (r *radio) hear(h receiver.Heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := stationOf(&h)
	if _, ok := r.latest[s]; !ok {
		if len(r.order) == mostStations {
			delete(r.latest, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, s)
	}
	r.latest[s] = h
	select {
	case r.news <- true:
	default:
	}
}

// sessions returns the sessions heard after a time, in the order in which they
// were heard first.
func (r *radio) sessions(after time.Time) []receiver.Heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []receiver.Heard
	for _, s := range r.order {
		if h := r.latest[s]; h.At.After(after) {
			all = append(all, h)
		}
	}
	return all
}

// again returns the latest announcement of a session.
func (r *radio) again(h receiver.Heard) receiver.Heard {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.latest[stationOf(&h)]; ok {
		return l
	}
	return h
}
