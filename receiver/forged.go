package receiver

import (
	"errors"
	"fmt"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// fetchRejects is how often a block may fail its digest before the other
	// lanes are to bring it too: what comes by them is whole and from one machine,
	// so no forger gets a symbol into it.
	fetchRejects = 4

	// mostRejects is how often it may fail in all: a damaged packed image fails
	// soon, and who forges symbols must win that many races. While other lanes may
	// bring it yet, it may fail more often.
	mostRejects = 64
)

// wanted is what multicast brings wrong, and other lanes are to bring although
// multicast reaches us.
type wanted struct {
	blocks   map[protocol.SBN]bool
	others   *blockset.Set // all blocks but those that are lacking of these; nil until there are any
	manifest int           // how often that was wrong
	since    time.Time     // when there was first any, or one last came
}

// reject takes note that block b came wrong by multicast. It returns an error
// when that can't go on.
func (s *session) reject(b protocol.SBN, now time.Time) error {
	s.rejects[b]++
	n, w := s.rejects[b], &s.lanes.wanted
	if s.cfg.Fetch != nil && n >= fetchRejects && !w.blocks[b] {
		if w.blocks == nil {
			all := s.collector.objects[protocol.ObjectImage].have.Len()
			w.blocks, w.others = map[protocol.SBN]bool{}, blockset.New(all)
			w.others.AddRange(0, all)
			s.noteForged(fmt.Sprintf("block %d", b))
		}
		if len(w.blocks) == 0 {
			w.since = now
		}
		w.blocks[b] = true
	}
	if !s.hopeless(n, now) {
		return nil
	}
	return fmt.Errorf("block %d failed its digest %d times%s: the sender's packed image is damaged, or somebody forges data; check it there by `pxecast verify PACKED` and pack it again", b, n, s.unhelped())
}

// rejectManifest is reject for the manifest.
func (s *session) rejectManifest(now time.Time) error {
	w := &s.lanes.wanted
	if w.manifest++; s.cfg.Fetch != nil && w.manifest == fetchRejects {
		w.since = now
		s.noteForged("the manifest")
	}
	if !s.hopeless(w.manifest, now) {
		return nil
	}
	return errors.New("the manifest does not have the digest that the sender announced" + s.unhelped() + ": somebody on the network forges data")
}

func (s *session) noteForged(what string) {
	s.notice("forged", fmt.Sprintf("%s came wrong %d times by multicast: somebody on the network forges data, or the sender's packed image is damaged; fetching what comes wrong by unicast, from other machines and the sender", what, fetchRejects))
}

// hopeless reports whether what was rejected that often will never come right.
func (s *session) hopeless(rejects int, now time.Time) bool {
	return rejects >= mostRejects && (s.cfg.Fetch == nil || now.Sub(s.lanes.wanted.since) > doubt)
}

// unhelped says that other lanes failed, too, for the middle of a reason.
func (s *session) unhelped() string {
	if s.cfg.Fetch == nil {
		return ""
	}
	return fmt.Sprintf(", and nobody gave it by unicast for %v%s", doubt, s.lanes.why())
}

// right takes note that a block has its digest. If it came by multicast the sender
// was alive then; a slow disk may take it long after that.
func (s *session) right(b *block, now time.Time) {
	if b.way == wayMulticast && b.came.After(s.provenAt) {
		s.provenAt = b.came
	}
	if w := &s.lanes.wanted; w.blocks[b.sbn] {
		delete(w.blocks, b.sbn)
		w.others.Add(int(b.sbn))
		w.since = now
	}
}

// forged reports whether anything is lacking that multicast brings wrong, and
// brings the set of all others up to date.
func (s *session) forged() bool {
	w := &s.lanes.wanted
	if s.collector.manifest == nil {
		return w.manifest >= fetchRejects
	}
	lacking := false
	for b := range w.blocks {
		if s.collector.objects[protocol.ObjectImage].have.Has(int(b)) { // on its way to the disk, or found there
			w.others.Add(int(b))
		} else {
			w.others.Remove(int(b))
			lacking = true
		}
	}
	return lacking
}

// onItsWay reports whether a symbol is of a block that came wrong and that
// another lane is bringing: it could only make it wrong once more.
func (s *session) onItsWay(d *protocol.Data) bool {
	w := &s.lanes.wanted
	return len(w.blocks) > 0 && d.Object == protocol.ObjectImage && w.blocks[d.SBN] && s.lanes.plan.underway[d.SBN].n > 0
}
