package simulation

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// forger sends what looks like the sender's: to the session's group, from the
// sender's address, with sequence numbers that were announced.
type forger struct {
	*testing.T
	conn mcast.Conn
	of   receiver.Heard
	p    *picture
}

// forger listens to the session that is announced.
func (r *room) forger() *forger {
	f := &forger{T: r.T, p: r.picture}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	receiver.Discover(ctx, r.net.Host("forger"), netip.Addr{}, func(h receiver.Heard) { f.of = h; cancel() })
	return f
}

// keep sends what next makes, one at a time, until stop is closed.
func (f *forger) keep(r *room, stop <-chan struct{}, each time.Duration, next func(n int) []byte) {
	var err error
	if f.conn, err = r.server.Open(0); err != nil {
		f.Fatal(err)
	}
	r.running.Go(func() {
		defer f.conn.Close()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(each):
				f.conn.WriteTo(next(n), f.of.Data)
			}
		}
	})
}

// symbol is symbol e of a block, of the right form and with wrong bytes.
func (f *forger) symbol(object protocol.Object, s protocol.SBN, e int) []byte {
	d := protocol.Data{Session: f.of.Session, Object: object, SBN: s, ESI: protocol.ESI(e), Seq: f.of.Highest + 1}
	if d.FrameLen = min(f.of.ManifestSize, protocol.BlockSize); object == protocol.ObjectImage {
		m := f.p.packed.Manifest()
		i, _ := m.Index(s)
		d.FrameLen = m.FrameLen(i)
	}
	l := protocol.LayoutOf(d.FrameLen, f.of.SymbolSize)
	d.ESI = protocol.ESI(e % l.K)
	d.Symbol = make([]byte, l.Len(d.ESI))
	b, err := d.AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	return b
}

// anything is in turn each thing that needs no key.
func (f *forger) anything(n int) []byte {
	switch n % 4 {
	case 0:
		return []byte("garbage that is long enough to be something")
	case 1:
		d, _ := (&protocol.Flush{Session: f.of.Session, Seq: f.of.Highest + 1}).AppendBinary(nil)
		return d
	case 2:
		d, _ := (&protocol.Roster{Session: f.of.Session, Total: 1, Places: []protocol.Place{{State: protocol.ReceiverReceiving}}}).AppendBinary(nil)
		return d
	}
	m := f.p.packed.Manifest()
	return f.symbol(protocol.ObjectImage, m.SBN(n*7%m.DataBlocks()), n)
}

// TestForgersKeepNoSenderAlive: who sends garbage, FLUSHes, rosters and symbols in
// the name of a dead sender keeps nobody waiting for it.
func TestForgersKeepNoSenderAlive(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 71, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		w.senderServes(r, true, true)
		r.sender.MinReceivers, r.sender.Rate = 4, 100_000_000
		r.send()
		for range 4 {
			r.joinAs(simnet.Link{}, func(p *pc) { w.wired(p, honest) })
		}
		pass(2 * time.Second)
		f := r.forger()
		r.kill(w)
		died, stop := time.Now(), make(chan struct{})
		f.keep(r, stop, time.Millisecond, f.anything)
		for _, pc := range r.pcs {
			<-pc.done
		}
		took := time.Since(died)
		close(stop)
		r.finish()
		if took > 30*time.Second {
			r.Errorf("the room gave up only after %v", took)
		}
		r.abandoned("the sender fell silent")
	})
}

// TestForgedSymbolsAreFetchedInstead: somebody gets a wrong symbol into some
// blocks, or the manifest, whenever they are sent. They come by another lane, the
// others by multicast, and people are told.
func TestForgedSymbolsAreFetchedInstead(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 72, 32<<20, true)
	for name, next := range map[string]func(f *forger, n int) []byte{
		"three blocks": func(f *forger, n int) []byte {
			return f.symbol(protocol.ObjectImage, f.p.packed.Manifest().SBN(20+n%3), 0)
		},
		"the manifest": func(f *forger, _ int) []byte { return f.symbol(protocol.ObjectManifest, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				w := newWires()
				w.senderServes(r, true, true)
				r.sender.MinReceivers, r.sender.Rate = 3, 100_000_000 // three seconds
				r.send()
				stop := make(chan struct{})
				f := r.forger()
				f.keep(r, stop, 50*time.Microsecond, func(n int) []byte { return next(f, n) })
				var said []*noticed
				for range 3 {
					r.joinAs(simnet.Link{}, func(p *pc) {
						w.wired(p, honest)
						said = append(said, p.watch(t))
					})
				}
				for _, pc := range r.pcs {
					<-pc.done
				}
				close(stop)
				r.finish()
				r.identical()
				for i, pc := range r.pcs {
					n := pc.status.Counters
					r.Logf("pc%d: %v, %d rejected, by lane %v", i+1, pc.took, n.Rejected, n.Lanes)
					if pc.took > 10*time.Second || n.Lanes[1] > 10 || n.Lanes[0] < 100 {
						r.Errorf("pc%d: %v, by lane %v", i+1, pc.took, n.Lanes)
					}
					if !strings.Contains(said[i].text["forged"], "forges data") {
						r.Errorf("pc%d said %v", i+1, said[i].text)
					}
				}
			})
		})
	}
}

// TestForgedAndNobodyHelps: where no other lane has it, the end comes with a
// reason.
func TestForgedAndNobodyHelps(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 73, 8<<20, true)
	for _, wired := range []bool{false, true} {
		simulate(t, 1, p, simnet.Options{}, func(r *room) {
			w := newWires()
			r.send()
			stop := make(chan struct{})
			f := r.forger()
			f.keep(r, stop, time.Millisecond, func(int) []byte { return f.symbol(protocol.ObjectImage, p.packed.Manifest().SBN(20), 0) })
			pc := r.joinAs(simnet.Link{}, func(p *pc) {
				if wired {
					w.wired(p, honest)
				}
			})
			<-pc.done
			close(stop)
			r.cancel()
			r.finish()
			if pc.err == nil || !strings.Contains(pc.err.Error(), "somebody forges data") || pc.took > 20*time.Second {
				r.Errorf("wired %v: %v after %v", wired, pc.err, pc.took)
			}
		})
	}
}
