package receiver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/protocol"
)

// Fetcher asks other machines for what multicast does not bring. Its methods
// are called from many goroutines; each ends in bounded time. What they return
// is checked by the receiver. See lane.Client, whose errors these are.
type Fetcher interface {
	Manifest(ctx context.Context, at netip.AddrPort, id image.ID, size int) ([]byte, error)
	Have(ctx context.Context, at netip.AddrPort, id image.ID, blocks int) (*blockset.Set, error)
	Block(ctx context.Context, at netip.AddrPort, id image.ID, s protocol.SBN, dst []byte) ([]byte, error)
	TFTPManifest(ctx context.Context, at netip.AddrPort, id image.ID, size int) ([]byte, error)
	TFTPBlocks(ctx context.Context, at netip.AddrPort, id image.ID, first, last protocol.SBN,
		m *image.Manifest, each func(s protocol.SBN, frame []byte) error) error
}

// lanes is the shell around the planner: goroutines that ask, and what they
// brought. The session's goroutine owns it but for results.
type lanes struct {
	plan     planner
	wanted   wanted
	mode     mode
	since    time.Time // of the mode
	lookedAt time.Time // at what decides it
	cause    string    // of the deafness
	named    int       // of plan.dropped, that were told
	results  chan fetched
	wait     sync.WaitGroup

	fault      error     // the last one
	progressAt time.Time // when a block or the manifest came by a lane
	wholeAt    time.Time // when the peers last had all that we lack
	countedAt  time.Time
	missing    int // blocks that neither we nor peers have
	peers      int // that answer
}

// fetched is what a request brought: one of these, or its end.
type fetched struct {
	request
	over     bool // the request has ended, with err if it failed
	err      error
	sbn      protocol.SBN
	frame    []byte // of block sbn, in its buffer
	buffers  [][]byte
	have     *blockset.Set
	manifest []byte
}

// newLanes returns the lanes of a session. All that can be under way finds room
// in results, so that nobody waits for it.
func newLanes(s *session) lanes {
	return lanes{plan: newPlanner(s.random), results: make(chan fetched, 4*mostFetches*atOnce)}
}

// fetch takes what came by other lanes, and asks for more when it is time.
func (s *session) fetch(ctx context.Context, now time.Time) error {
	s.reach(now)
	for len(s.lanes.results) > 0 {
		if err := s.fetched(<-s.lanes.results, now); err != nil {
			return err
		}
	}
	s.blame()
	if s.cfg.Fetch == nil {
		return nil
	}
	m, yield := s.lanes.mode, mostFetches*protocol.MaxFrame
	if m == modeMulticast {
		if !s.forged() {
			return nil
		}
		m, yield = modeDeaf, protocol.MaxFrame
	}
	s.meetSender()
	if s.collector.manifest != nil {
		s.collector.yield(yield)
	}
	l := s.lack()
	if s.lanes.mode == modeMulticast && !l.manifest {
		l.have = s.lanes.wanted.others
	}
	for _, r := range s.lanes.plan.plan(now, m, l) {
		s.ask(ctx, now, r)
	}
	return nil
}

// meetSender tells the planner where the sender serves.
func (s *session) meetSender() {
	if a := s.heard.HTTP; a.IsValid() && a.Port() != 0 {
		s.lanes.plan.meet(origin{senderHTTP, a}, true)
	}
	if a := s.heard.TFTP; a.IsValid() && a.Port() != 0 {
		s.lanes.plan.meet(origin{senderTFTP, a}, true)
	}
}

// lack returns what the planner needs to know.
func (s *session) lack() lack {
	o := &s.collector.objects[protocol.ObjectImage]
	const frame = (protocol.MaxFrame + class - 1) / class * class
	return lack{manifest: s.collector.manifest == nil, have: o.have, to: o.to, frames: s.spare() / frame}
}

// ask starts a request, in memory that is taken for it now.
func (s *session) ask(ctx context.Context, now time.Time, r request) {
	var buffers [][]byte
	if r.wish == wantBlocks {
		for range r.last - r.first + 1 {
			b := s.collector.memory.get(protocol.MaxFrame)
			if b == nil {
				s.giveBack(buffers)
				s.lanes.plan.done(now, r, aborted, nil)
				return
			}
			buffers = append(buffers, b)
		}
	}
	f := s.cfg.Fetch
	id, size, m := s.begun.Image(), s.begun.ManifestSize, s.collector.manifest
	blocks := s.collector.objects[protocol.ObjectImage].have.Len()
	results := s.lanes.results
	s.lanes.wait.Go(func() {
		v := fetched{request: r, over: true, buffers: buffers, sbn: r.first}
		switch {
		case r.wish == wantHave:
			v.have, v.err = f.Have(ctx, r.at, id, blocks)
		case r.wish == wantManifest && r.service == senderTFTP:
			v.manifest, v.err = f.TFTPManifest(ctx, r.at, id, size)
		case r.wish == wantManifest:
			v.manifest, v.err = f.Manifest(ctx, r.at, id, size)
		case r.service == senderTFTP:
			v.err = f.TFTPBlocks(ctx, r.at, id, r.first, r.last, m, func(b protocol.SBN, frame []byte) error {
				if len(v.buffers) == 0 || len(frame) > protocol.MaxFrame {
					return fmt.Errorf("block %d is one too many", b)
				}
				buffer := v.buffers[0]
				v.buffers = v.buffers[1:]
				results <- fetched{request: r, sbn: b, frame: buffer[:copy(buffer, frame)]}
				return nil
			})
		default:
			var frame []byte
			if frame, v.err = f.Block(ctx, r.at, id, r.first, buffers[0][:0]); v.err == nil {
				v.frame, v.buffers = buffers[0][:copy(buffers[0], frame)], nil
			}
		}
		results <- v
	})
}

func (s *session) giveBack(buffers [][]byte) {
	for _, b := range buffers {
		s.collector.memory.put(b)
	}
}

// fetched takes one result.
func (s *session) fetched(v fetched, now time.Time) error {
	s.giveBack(v.buffers)
	if v.over {
		s.lanes.plan.done(now, v.request, didOf(v.err), v.have)
		if v.err != nil {
			s.lanes.fault = v.err
			return nil
		}
	}
	switch {
	case v.manifest != nil:
		return s.fetchedManifest(&v, now)
	case v.frame != nil:
		s.fetchedFrame(&v, now)
	}
	return nil
}

// didOf returns what the other side did to make a call fail, 0 if it did not.
func didOf(err error) lane.Did {
	var f *lane.Fault
	switch {
	case err == nil:
		return 0
	case errors.As(err, &f):
		return f.Did
	}
	return aborted
}

func (s *session) fetchedManifest(v *fetched, now time.Time) error {
	if s.collector.manifest != nil {
		return nil // it came by multicast meanwhile
	}
	if image.ID(image.Sum(v.manifest)) != s.begun.Image() {
		s.lanes.plan.wrong(v.origin)
		return nil
	}
	copy(s.bytes, v.manifest)
	c := &s.collector.objects[protocol.ObjectManifest]
	for b := range protocol.SBN(c.have.Len()) {
		s.collector.take(protocol.ObjectManifest, b)
	}
	s.lanes.progressAt = now
	return nil
}

// fetchedFrame sends a frame the way of all complete blocks, unless the block
// came by multicast or from another machine meanwhile.
func (s *session) fetchedFrame(v *fetched, now time.Time) {
	buffer := v.frame[:cap(v.frame)]
	o := &s.collector.objects[protocol.ObjectImage]
	if len(v.frame) == 0 || int(v.sbn) >= o.have.Len() || o.have.Has(int(v.sbn)) || s.ending || s.state != protocol.ReceiverReceiving {
		s.collector.memory.put(buffer)
		return
	}
	s.collector.take(protocol.ObjectImage, v.sbn)
	o.shed.Remove(int(v.sbn))
	s.lanes.progressAt = now
	b := s.collector.unused()
	*b = block{object: protocol.ObjectImage, sbn: v.sbn, frameLen: len(v.frame), buffer: buffer, from: v.origin, way: v.service.way(), repairs: b.repairs[:0]}
	s.place(b)
}

// blame tells of the machines that the planner has dropped since the last time.
func (s *session) blame() {
	all := s.lanes.plan.dropped
	for ; s.lanes.named < len(all); s.lanes.named++ {
		d := all[s.lanes.named]
		s.notice("peer", fmt.Sprintf("%v %s", d.Peer, d.Reason))
	}
}
