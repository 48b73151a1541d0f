package receiver

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// lesson is a session that a sender, who hears its reports, tells what it
// lacks.
type lesson struct {
	*testing.T
	*session
	tap     *tap
	picture *picture
	others  []int                // data blocks that others ask for, one a step
	asked   map[protocol.SBN]int // by our reports
	first   time.Duration        // until something was
	took    time.Duration
	seq     protocol.Seq
	last    Status
}

// resume receives a picture to a target in simulated time.
func resume(t *testing.T, p *picture, target Target, change func(l *lesson)) (l *lesson) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := p.packed.Manifest()
		s, tap := newTestSession(m, nil)
		s.size, s.admitted = 1472, true
		s.pipe = newPipeline(target, leastMemory/class+1)
		l = &lesson{T: t, session: s, tap: tap, picture: p, asked: map[protocol.SBN]int{}}
		s.cfg.Workers = 4
		if change != nil {
			change(l)
		}
		copy(s.bytes, m.Bytes())
		s.collector.objects[protocol.ObjectManifest].have.AddRange(0, protocol.Blocks(int64(len(m.Bytes()))))
		ctx, cancel := context.WithCancel(t.Context())
		defer s.pipe.wait.Wait()
		defer cancel()
		begun := time.Now()
		for step := 0; s.state != protocol.ReceiverDone; step++ {
			now := time.Now()
			s.heardAt, s.dataAt, s.symbolAt = now, now, now
			if err := s.step(ctx, now); err != nil {
				t.Fatal(err)
			}
			if step > 20_000 {
				t.Fatalf("not done: %+v", s.status(now))
			}
			if l.answer(); l.first == 0 && len(l.asked) > 0 {
				l.first = time.Since(begun)
			}
			<-time.After(5 * time.Millisecond)
		}
		l.last, l.took = s.status(time.Now()), time.Since(begun)
	})
	return l
}

// answer sends what the reports since the last time say is lacking.
func (l *lesson) answer() {
	for _, d := range l.tap.sent {
		var r protocol.Report
		if err := protocol.ParseReport(d, &r); err != nil {
			l.Fatal(err)
		}
		if r.Object != protocol.ObjectImage || r.AsOf < l.seq {
			continue
		}
		for _, d := range r.Deficits {
			for s := d.First; s < d.First+protocol.SBN(d.Count); s++ {
				if _, data := l.picture.packed.Manifest().Index(s); !data {
					continue
				}
				if l.asked[s]++; l.spare() > protocol.MaxFrame {
					l.send(s)
				}
			}
		}
	}
	l.tap.sent = nil
	l.collector.hear(l.seq)
	if len(l.others) > 0 {
		l.send(protocol.SBN(l.others[0]))
		l.others = l.others[1:]
	}
}

// send delivers all source symbols of a block.
func (l *lesson) send(s protocol.SBN) {
	m := l.picture.packed.Manifest()
	i, _ := m.Index(s)
	frame, err := l.picture.packed.ReadFrame(i, make([]byte, m.FrameLen(i)))
	if err != nil {
		l.Fatal(err)
	}
	layout := protocol.LayoutOf(len(frame), protocol.DefaultSymbolSize)
	for e := range layout.K {
		l.seq++
		at := e * layout.Size
		d := protocol.Data{Session: 7, Object: protocol.ObjectImage, SBN: s, ESI: protocol.ESI(e), FrameLen: len(frame), Seq: l.seq,
			Symbol: frame[at : at+layout.Len(protocol.ESI(e))]}
		b, err := d.AppendBinary(nil)
		if err != nil {
			l.Fatal(err)
		}
		l.datagram(b)
	}
}

// differing returns the data blocks in which a disk is not the image.
func (p *picture) differing(disk []byte) map[protocol.SBN]bool {
	list := map[protocol.SBN]bool{}
	m := p.packed.Manifest()
	for i := range m.DataBlocks() {
		s := m.SBN(i)
		at := int(s) * blockSize
		want := p.raw[at : at+m.RawLen(s)]
		if at+len(want) > len(disk) || !bytes.Equal(disk[at:at+len(want)], want) {
			list[s] = true
		}
	}
	return list
}
