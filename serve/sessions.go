package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/sender"
)

const (
	// joining is how long a machine that asked for a session may take to join it:
	// it was told to at once, and a slow one loads its programs from a slow medium.
	joining = 5 * time.Minute

	// lingering keeps a session open for those that were switched on a little
	// later than the others.
	lingering = 15 * time.Second

	// mostSessions is how many images go at once: as many as there are ports for
	// reports.
	mostSessions = 8
)

// errBusy: the machine asks again later.
var errBusy = fmt.Errorf("%d images are being sent already, which is the most at a time: wait until one is through", mostSessions)

// errEnding: the machine asks again, and finds the next server.
var errEnding = errors.New("the server is ending")

// errGaveWay: somebody asked for a session and nobody joined it.
var errGaveWay = errors.New("nobody joined it, and others wait for another image")

// sessions opens one session for each image that somebody wants, and keeps it
// while anybody does.
type sessions struct {
	ctx     context.Context // of all sessions
	take    func(image.ID) (*image.Packed, string, error)
	network mcast.Network
	key     *trust.Key
	gather  time.Duration
	rate    int64            // bits a second; 0 auto
	lanes   sender.ServeFunc // nil: none
	changed func()           // the status of some session is another
	notice  func(sender.Notice)
	ended   func(sender.Status, error)

	mu   sync.Mutex
	open map[image.ID]*session
	wait sync.WaitGroup
}

// session is one image on the wire.
type session struct {
	wanted map[netip.Addr]time.Time // who asked and has not joined yet, and when
	status sender.Status
	opened time.Time
	stop   context.CancelCauseFunc
}

// want opens the session of an image unless it is open, for the machine at an
// address. A session that is about to end is opened again for it.
func (s *sessions) want(id image.ID, who netip.Addr) (name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.open[id]; one != nil {
		one.wanted[who] = time.Now()
		return one.status.Name, nil
	}
	if s.ctx.Err() != nil { // nobody would wait for it
		return "", errEnding
	}
	if len(s.open) >= mostSessions {
		s.giveWay()
		return "", errBusy
	}
	packed, name, err := s.take(id)
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancelCause(s.ctx)
	one := &session{wanted: map[netip.Addr]time.Time{who: time.Now()}, opened: time.Now(), stop: stop}
	one.status.Name, one.status.ImageID = name, id
	s.open[id] = one
	s.wait.Go(func() {
		defer packed.Close()
		defer stop(nil)
		s.run(ctx, one, packed)
	})
	return name, nil
}

// giveWay ends the oldest session that nobody has joined: whoever asked for it may
// not even exist.
func (s *sessions) giveWay() {
	var oldest *session
	for _, one := range s.open {
		if len(one.status.Receivers) == 0 && (oldest == nil || one.opened.Before(oldest.opened)) {
			oldest = one
		}
	}
	if oldest != nil {
		oldest.stop(errGaveWay)
	}
}

// run sends until nobody wants the image any more.
func (s *sessions) run(ctx context.Context, one *session, packed *image.Packed) {
	id, name := one.status.ImageID, one.status.Name
	for {
		s.mu.Lock()
		one.status.Notices = nil // of the session before
		s.mu.Unlock()
		st, err := sender.Run(ctx, sender.Config{
			Network: s.network, Source: packed, Key: s.key, Name: name,
			MaxWait: joining, Settle: s.gather, Linger: lingering, Rate: s.rate, Parity: -1,
			Serve:  s.lanes,
			Status: func(st sender.Status) { s.note(one, st) },
		})
		if len(st.Receivers) > 0 || err != nil && !errors.Is(err, sender.ErrNobody) {
			s.ended(st, err)
		}
		if s.through(id, one, err) {
			s.changed()
			return
		}
	}
}

// note keeps a session's latest status, and forgets who joined.
func (s *sessions) note(one *session, st sender.Status) {
	s.mu.Lock()
	news := st.Notices[min(len(one.status.Notices), len(st.Notices)):]
	one.status = st
	for i := range st.Receivers {
		r := &st.Receivers[i]
		a, err := netip.ParseAddr(r.Address)
		if asked, ok := one.wanted[a]; ok && err == nil && (r.Joined.After(asked) || !r.State.Over()) {
			delete(one.wanted, a)
		}
	}
	s.mu.Unlock()
	for _, n := range news {
		s.notice(n)
	}
	s.changed()
}

// through closes a session that is over, unless somebody asked for it and has not
// had its turn.
func (s *sessions) through(id image.ID, one *session, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, asked := range one.wanted {
		if time.Since(asked) >= joining {
			delete(one.wanted, a)
		}
	}
	nobody := errors.Is(err, sender.ErrNobody)
	if len(one.wanted) > 0 && s.ctx.Err() == nil && (err == nil || nobody) {
		return false
	}
	delete(s.open, id)
	return true
}

// statuses returns the sessions that are open, the oldest first.
func (s *sessions) statuses() []sender.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*session, 0, len(s.open))
	for _, one := range s.open {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b *session) int {
		return cmp.Or(a.opened.Compare(b.opened), cmp.Compare(a.status.Name, b.status.Name))
	})
	list := make([]sender.Status, len(all))
	for i, one := range all {
		list[i] = one.status
	}
	return list
}
