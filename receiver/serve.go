package receiver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/frame"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// Service gives other machines what this one has, see lane.Server.
type Service interface {
	Addr() netip.AddrPort
	// Served returns what went out so far, and when something last did.
	Served() (bytes, blocks int64, last time.Time)
	Close()
}

// mostMakers is how many blocks are read and compressed for others at once:
// more would slow down our own.
const mostMakers = 2

// store is a disk in the making, as others may fetch from it.
type store struct {
	target   io.ReaderAt
	manifest atomic.Pointer[image.Manifest]
	makers   chan *maker // nil: one to be made when it is needed

	mu      sync.Mutex
	written *blockset.Set
}

// maker is what one block at a time is read and compressed with.
type maker struct {
	encoder *frame.Encoder
	raw     []byte
}

func newStore(target io.ReaderAt, blocks int) *store {
	t := &store{target: target, written: blockset.New(blocks), makers: make(chan *maker, mostMakers)}
	for range mostMakers {
		t.makers <- nil
	}
	return t
}

// add takes note that a block is on the disk.
func (t *store) add(s protocol.SBN) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written.Add(int(s))
}

// Manifest implements lane.Store.
func (t *store) Manifest() *image.Manifest { return t.manifest.Load() }

// Has implements lane.Store.
func (t *store) Has(s protocol.SBN) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(s) < t.written.Len() && t.written.Has(int(s))
}

// AppendHave implements lane.Store.
func (t *store) AppendHave(b []byte) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written.AppendBinary(b)
}

// errChanged says that the disk does not give back what it took.
var errChanged = errors.New("does not read back as it was written")

// AppendFrame implements lane.Store. What the disk gives back is checked before
// it is sent: who sends wrong bytes is never asked again.
func (t *store) AppendFrame(dst []byte, s protocol.SBN) ([]byte, error) {
	m := t.Manifest()
	if m == nil || !t.Has(s) {
		return nil, fmt.Errorf("block %d is not here", s)
	}
	i, ok := m.Index(s)
	if !ok {
		return nil, fmt.Errorf("block %d is zero", s)
	}
	k := <-t.makers
	if k == nil {
		k = &maker{frame.NewEncoder(), disk.AlignedBuffer(max(frame.Room, protocol.BlockSize))}
	}
	defer func() { t.makers <- k }()
	raw := k.raw[:m.RawLen(s)]
	if _, err := t.target.ReadAt(raw, int64(s)*protocol.BlockSize); err != nil && err != io.EOF {
		return nil, fmt.Errorf("reading block %d: %w", s, err)
	}
	if image.Sum(raw) != m.Digest(i) {
		return nil, fmt.Errorf("block %d %w", s, errChanged)
	}
	return k.encoder.EncodeAll(raw, dst), nil
}

// serve lets others fetch from us, if it can.
func (s *session) serve(ctx context.Context) {
	if s.cfg.Serve == nil || s.store == nil {
		return
	}
	service, err := s.cfg.Serve(ctx, s.store)
	if err != nil {
		s.notice("serve", fmt.Sprintf("other machines can't fetch from this one: %v", err))
		return
	}
	s.service = service
}

// port returns where others may ask us, 0 for nowhere.
func (s *session) port() uint16 {
	if s.service == nil {
		return 0
	}
	return s.service.Addr().Port()
}

var _ lane.Store = (*store)(nil)

// leaves reports whether a finished receiver has nothing left to do here: the sender
// knows of it, or will not any more, and others don't need it. If they do, it
// leaves the data group at least.
func (s *session) leaves(now time.Time) bool {
	told := s.acked || s.heard.State.Over() ||
		now.Sub(s.farewellAt) > farewell && (s.silent(now) > orphanAfter || now.Sub(s.farewellAt) > farewell+3*s.interval())
	if s.state != protocol.ReceiverDone || !told {
		return false
	}
	if s.stays(now) == "" {
		return true
	}
	s.part()
	return false
}

// stays says why a finished receiver is still here for others, "" if it is not. It
// stays though the sender is there: that may be killed the moment after, and what
// others lack may be nowhere but here.
func (s *session) stays(now time.Time) string {
	if s.service == nil || s.cfg.Linger <= 0 || s.state != protocol.ReceiverDone {
		return ""
	}
	wait := s.room.Machines - s.room.Done - s.room.Failed
	if !s.acked && wait > 0 {
		wait-- // this one, which the sender does not know to be done
	}
	if _, ok := s.data.(parted); ok {
		wait = min(wait, s.heard.Receivers-s.heard.Done) // rosters hardly come any more
	}
	orphan := s.silent(now) >= orphanAfter/3
	linger := s.cfg.Linger
	within := now.Sub(s.ended) < linger || orphan && s.silent(now) < linger // then the others have only begun to ask
	switch _, _, last := s.service.Served(); {
	case !orphan && wait == 0, s.heard.State == protocol.SessionLingering, s.heard.State == protocol.SessionEnded:
		return "" // nobody lacks anything
	case !last.IsZero() && now.Sub(last) < linger:
		return fmt.Sprintf("staying while other machines fetch from this one, the last %v ago", now.Sub(last).Round(time.Second))
	case wait == 0 || !within || !orphan && s.heard.State.Over():
		return ""
	case orphan:
		return fmt.Sprintf("staying while %s not done and without a sender", machinesAre(wait))
	}
	return fmt.Sprintf("staying for %v, in case the sender fails, while %s not done", linger, machinesAre(wait))
}

func machinesAre(n int) string {
	if n == 1 {
		return "1 machine is"
	}
	return fmt.Sprintf("%d machines are", n)
}

// part leaves the data group: who stays for others needs nothing of what is sent
// to them. When they are done, the announcements tell.
func (s *session) part() {
	if _, ok := s.data.(parted); ok {
		return
	}
	p := parted{s.data.Overflow(), s.data.BufferSize()}
	s.data.Close()
	s.data = p
}

// parted is the socket of a group that was left: nothing comes any more.
type parted struct {
	overflow   uint64
	bufferSize int
}

func (parted) Read(b *mcast.Batch, deadline time.Time) error {
	b.Reset()
	time.Sleep(time.Until(deadline))
	return os.ErrDeadlineExceeded
}

func (p parted) Overflow() uint64 { return p.overflow }
func (p parted) BufferSize() int  { return p.bufferSize }
func (parted) Close() error       { return nil }

var _ mcast.Reader = parted{}
