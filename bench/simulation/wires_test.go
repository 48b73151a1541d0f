package simulation

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// wires stand in for TCP and TFTP between the machines of a room: who asks gets
// what a store has, after as long as a gigabit takes.
type wires struct {
	mu       sync.Mutex
	services map[netip.AddrPort]*service
	next     uint16
}

func newWires() *wires { return &wires{services: map[netip.AddrPort]*service{}, next: 30000} }

// service is one machine that can be asked.
type service struct {
	wires   *wires
	at      netip.AddrPort
	store   lane.Store
	conduct conduct

	busy          time.Time // until then, with what was asked for before
	bytes, blocks int64
	last          time.Time
}

// conduct is how a machine answers.
type conduct int

const (
	honest conduct = iota
	wrongBytes
	hangs
	closesEarly
	listsTooMuch
)

// offer lets a machine be asked.
func (w *wires) offer(host *simnet.Host, st lane.Store, c conduct) *service {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.next++
	v := &service{wires: w, at: netip.AddrPortFrom(host.Addr(), w.next), store: st, conduct: c}
	w.services[v.at] = v
	return v
}

// cut takes a machine off the net.
func (w *wires) cut(host *simnet.Host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for at := range w.services {
		if at.Addr() == host.Addr() {
			delete(w.services, at)
		}
	}
}

// serve is for receiver.Config.Serve of a machine that behaves as c says.
func (w *wires) serve(host *simnet.Host, c conduct) func(context.Context, lane.Store) (receiver.Service, error) {
	return func(_ context.Context, st lane.Store) (receiver.Service, error) { return w.offer(host, st, c), nil }
}

func (v *service) Addr() netip.AddrPort { return v.at }

func (v *service) Served() (bytes, blocks int64, last time.Time) {
	v.wires.mu.Lock()
	defer v.wires.mu.Unlock()
	return v.bytes, v.blocks, v.last
}

func (v *service) Close() {
	v.wires.mu.Lock()
	defer v.wires.mu.Unlock()
	delete(v.wires.services, v.at)
}

// ask finds a machine and takes the time of a round trip.
func (w *wires) ask(ctx context.Context, at netip.AddrPort, id image.ID) (*service, error) {
	if err := w.take(ctx, time.Millisecond); err != nil {
		return nil, err
	}
	w.mu.Lock()
	v := w.services[at]
	w.mu.Unlock()
	if v == nil {
		return nil, &lane.Fault{Peer: at, Did: lane.Refused}
	}
	if m := v.store.Manifest(); m == nil || m.ID() != id {
		return nil, &lane.Fault{Peer: at, Did: lane.Lacks}
	}
	return v, nil
}

// take lets time pass, unless ctx ends.
func (w *wires) take(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sent accounts for an answer and takes its time.
func (v *service) sent(ctx context.Context, bytes, blocks int) error {
	v.wires.mu.Lock()
	if now := time.Now(); v.busy.Before(now) {
		v.busy = now
	}
	v.busy = v.busy.Add(time.Duration(bytes) * 8 * time.Second / gigabit)
	wait := time.Until(v.busy)
	v.wires.mu.Unlock()
	err := v.wires.take(ctx, wait)
	v.wires.mu.Lock()
	defer v.wires.mu.Unlock()
	v.bytes, v.blocks, v.last = v.bytes+int64(bytes), v.blocks+int64(blocks), time.Now()
	return err
}

func (w *wires) Manifest(ctx context.Context, at netip.AddrPort, id image.ID, _ int) ([]byte, error) {
	v, err := w.ask(ctx, at, id)
	if err != nil {
		return nil, err
	}
	b := v.store.Manifest().Bytes()
	return b, v.sent(ctx, len(b), 0)
}

func (w *wires) Have(ctx context.Context, at netip.AddrPort, id image.ID, blocks int) (*blockset.Set, error) {
	v, err := w.ask(ctx, at, id)
	if err != nil {
		return nil, err
	}
	set, err := blockset.Parse(v.store.AppendHave(nil), blocks)
	if v.conduct == listsTooMuch {
		set.AddRange(0, blocks)
	}
	return set, err
}

func (w *wires) Block(ctx context.Context, at netip.AddrPort, id image.ID, s protocol.SBN, dst []byte) ([]byte, error) {
	v, err := w.ask(ctx, at, id)
	if err != nil {
		return nil, err
	}
	switch {
	case v.conduct == hangs:
		if err := w.take(ctx, 2*time.Second); err != nil {
			return nil, err
		}
		return nil, &lane.Fault{Peer: at, Did: lane.Hung}
	case v.conduct == closesEarly:
		return nil, &lane.Fault{Peer: at, Did: lane.Closed}
	case !v.store.Has(s):
		return nil, &lane.Fault{Peer: at, Did: lane.Lacks}
	}
	frame, err := v.store.AppendFrame(dst, s)
	if err != nil {
		return nil, &lane.Fault{Peer: at, Did: lane.Closed, Err: err}
	}
	if v.conduct == wrongBytes {
		frame[len(frame)/2] ^= 1
	}
	return frame, v.sent(ctx, len(frame), 1)
}

func (w *wires) TFTPManifest(ctx context.Context, at netip.AddrPort, id image.ID, size int) ([]byte, error) {
	return w.Manifest(ctx, at, id, size)
}

func (w *wires) TFTPBlocks(ctx context.Context, at netip.AddrPort, id image.ID, first, last protocol.SBN,
	m *image.Manifest, each func(s protocol.SBN, frame []byte) error) error {
	for s := first; s <= last; s++ {
		if _, ok := m.Index(s); !ok {
			continue
		}
		frame, err := w.Block(ctx, at, id, s, nil)
		if err != nil {
			return err
		}
		if err := each(s, frame); err != nil {
			return err
		}
	}
	return nil
}

// wired is the configuration of a machine that can ask others and be asked.
func (w *wires) wired(p *pc, c conduct) {
	p.config.Fetch, p.config.Linger = w, 10*time.Second
	p.config.Serve = w.serve(p.host, c)
}

// senderServes lets the sender of r be asked, by HTTP, TFTP or both. It returns
// what counts the bytes that it serves.
func (w *wires) senderServes(r *room, http, tftp bool) *service {
	v := w.offer(r.server, nil, honest)
	r.sender.Serve = func(_ context.Context, st lane.PackedStore) (h, t netip.AddrPort, stop func(), err error) {
		v.store = st
		if http {
			h = v.at
		}
		if tftp {
			t = v.at
		}
		return h, t, func() { v.Close() }, nil
	}
	return v
}

// dataless is a cable that announcements come through and data does not, as
// behind a switch that filters.
func dataless() simnet.Link {
	return simnet.Link{Keep: func(k simnet.Packet) bool {
		return k.To.Addr() == protocol.Discovery.Addr() || !k.To.Addr().IsMulticast()
	}}
}

// fill writes parts of the image to a machine's disk before it starts.
func (p *pc) fill(raw []byte, which func(block int) bool) {
	for b := range protocol.Blocks(int64(len(raw))) {
		if off := b * protocol.BlockSize; which(b) {
			copy(p.disk.data[off:min(off+protocol.BlockSize, len(raw))], raw[off:])
		}
	}
}

// noticed returns when a machine first said something of that kind, and what.
type noticed struct {
	mu   sync.Mutex
	at   map[string]time.Time
	text map[string]string
}

// watch notes the notices of a machine.
func (p *pc) watch(*testing.T) *noticed {
	n := &noticed{at: map[string]time.Time{}, text: map[string]string{}}
	p.config.Status = func(st receiver.Status) {
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, one := range st.Notices {
			if n.at[one.Kind].IsZero() {
				n.at[one.Kind], n.text[one.Kind] = time.Now(), one.Text
			}
		}
	}
	return n
}
