package simulation

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// kill ends the sender as kill -9 does.
func (r *room) kill(w *wires) {
	r.server.PowerCut()
	w.cut(r.server)
	r.cancel()
}

// TestSenderDiesAndTheRoomHasAll: each disk holds another part of an earlier
// image, all together nearly all of it. The sender dies at any moment after it
// has sent the rest: the machines finish from one another.
func TestSenderDiesAndTheRoomHasAll(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 51, 64<<20, true)
	for _, percent := range []int{30, 60, 90} {
		t.Run(fmt.Sprintf("%d %%", percent), func(t *testing.T) {
			simulate(t, uint64(percent), p, simnet.Options{}, func(r *room) {
				w := newWires()
				w.senderServes(r, true, true)
				r.sender.MinReceivers, r.sender.Rate = 5, 100_000_000 // five seconds for all of it
				r.send()
				for i := range 5 {
					r.joinAs(simnet.Link{Loss: 0.01}, func(p *pc) {
						w.wired(p, honest)
						p.fill(r.picture.raw, func(b int) bool { return b%5 == i || b%5 == (i+1)%5 })
					})
				}
				pass(time.Second + time.Duration(percent)*50*time.Millisecond)
				r.kill(w)
				died := time.Now()
				r.finish()
				for i, pc := range r.pcs {
					if pc.err != nil || !pc.disk.holds(p.raw) {
						r.Errorf("pc%d: %v", i+1, pc.err)
					}
					if n := pc.status.Counters.Lanes; n[1] == 0 {
						r.Errorf("pc%d fetched nothing: %v", i+1, n)
					}
				}
				if took := time.Since(died); took > 30*time.Second {
					r.Errorf("the room needed %v without the sender", took)
				}
			})
		})
	}
}

// TestSenderDiesAndBlocksAreMissing: nobody has all, so each machine says so and
// ends within half a minute.
func TestSenderDiesAndBlocksAreMissing(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 52, 64<<20, true)
	for _, percent := range []int{30, 90} {
		simulate(t, uint64(percent), p, simnet.Options{}, func(r *room) {
			w := newWires()
			w.senderServes(r, true, true)
			r.sender.MinReceivers, r.sender.Rate = 4, 100_000_000
			r.send()
			for range 4 {
				r.joinAs(simnet.Link{Loss: 0.01}, func(p *pc) { w.wired(p, honest) })
			}
			pass(200*time.Millisecond + time.Duration(percent)*50*time.Millisecond)
			r.kill(w)
			died := time.Now()
			r.finish()
			if took := time.Since(died); took > 30*time.Second || took < 15*time.Second {
				r.Errorf("%d %%: the room gave up after %v", percent, took)
			}
			r.abandoned("are on none of the machines")
		})
	}
}

// TestSenderStartsAgain: the machines of a session whose sender was killed go on
// with the next one, and what all have is not sent again.
func TestSenderStartsAgain(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 53, 64<<20, true)
	for _, wired := range []bool{false, true} {
		for seed, mtu := range []int{1500, 9000} { // of the second sender's path
			t.Run(fmt.Sprintf("wired %v, MTU %d", wired, mtu), func(t *testing.T) {
				simulate(t, uint64(seed), p, simnet.Options{MTU: 9000}, func(r *room) {
					w := newWires()
					r.sender.MinReceivers, r.sender.Rate = 4, 200_000_000
					r.sender.Network = narrow{r.server, 1500}
					r.send()
					for range 4 {
						r.joinAs(simnet.Link{Loss: 0.01}, func(p *pc) {
							if wired {
								w.wired(p, honest)
							}
						})
					}
					pass(1800 * time.Millisecond)
					r.kill(w)
					pass(time.Second)
					var had uint64 = 1 << 60
					for _, pc := range r.pcs {
						had = min(had, uint64(pc.disk.wrote()))
					}
					r.sender.Network = narrow{r.server, mtu}
					r.send()
					r.finish()
					r.identical()
					r.Log(r.summary())
					rest := float64(uint64(len(p.raw))-had) / float64(len(p.raw))
					if rest > 0.6 || r.overhead() > 1.15*rest+0.02 {
						r.Errorf("the second sender sent %.2f × the packed image, of which %.2f was lacking", r.overhead(), rest)
					}
				})
			})
		}
	}
}

// narrow is a host with a smaller MTU.
type narrow struct {
	*simnet.Host
	mtu int
}

func (n narrow) MTU() int { return n.mtu }

func (d *memoryDisk) wrote() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.written
}

// TestOneDeafMachine: data does not reach one machine of five. It says why within
// five seconds and finishes from the others; they do not notice.
func TestOneDeafMachine(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 54, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		server := w.senderServes(r, true, true)
		r.sender.MinReceivers, r.sender.Rate = 5, 60_000_000 // nine seconds
		r.send()
		for range 4 {
			r.joinAs(simnet.Link{}, func(p *pc) { w.wired(p, honest) })
		}
		var said *noticed
		deaf := r.joinAs(dataless(), func(p *pc) {
			w.wired(p, honest)
			said = p.watch(t)
		})
		began := time.Now()
		r.finish()
		r.identical()
		if at := said.at["deaf"]; at.IsZero() || at.Sub(began) > 5200*time.Millisecond || !strings.Contains(said.text["deaf"], "snooping") {
			r.Errorf("said after %v: %q", at.Sub(began), said.text["deaf"])
		}
		n := deaf.status.Counters.Lanes
		bytes, _, _ := server.Served()
		r.Logf("deaf: lanes %v, took %v, the sender served %d KB", n, deaf.took, bytes>>10)
		if n[0] != 0 || n[1] == 0 || deaf.took > 12*time.Second {
			r.Errorf("deaf: blocks by lane %v, took %v", n, deaf.took)
		}
		if bytes > p.packed.Manifest().PackedSize()/4 {
			r.Errorf("the sender served %d KB though others had them", bytes>>10)
		}
		for i, pc := range r.pcs[:4] {
			if pc.status.Seconds > 10 || pc.status.Counters.Lanes[1] != 0 {
				r.Errorf("pc%d: %.1f s, %v", i+1, pc.status.Seconds, pc.status.Counters.Lanes)
			}
		}
	})
}

// TestMulticastComesToLife: a deaf machine goes back to multicast.
func TestMulticastComesToLife(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 55, 96<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		r.sender.MinReceivers, r.sender.Rate = 2, 50_000_000 // sixteen seconds
		r.send()
		r.joinAs(simnet.Link{}, func(p *pc) { w.wired(p, honest) })
		var said *noticed
		deaf := r.joinAs(dataless(), func(p *pc) {
			w.wired(p, honest)
			said = p.watch(t)
		})
		pass(7 * time.Second)
		deaf.host.SetIn(simnet.Link{Rate: gigabit, Queue: 1 << 20})
		r.finish()
		r.identical()
		if n := deaf.status.Counters.Lanes; n[0] == 0 || n[1] == 0 || said.text["back"] == "" {
			r.Errorf("blocks by lane %v; said %v", n, said.text)
		}
	})
}

// TestAllMachinesAreDeaf: no data reaches anybody. They finish by unicast, each
// fetching another part from the sender and the rest from one another.
func TestAllMachinesAreDeaf(t *testing.T) {
	t.Parallel()
	size := 64 << 20
	if raced {
		size = 16 << 20 // eight machines compress it seven times
	}
	p := newPicture(t, 56, size, true)
	for _, by := range []string{"HTTP", "TFTP"} {
		t.Run(by, func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				w := newWires()
				server := w.senderServes(r, by == "HTTP", by == "TFTP")
				r.sender.MinReceivers = 8
				r.send()
				for range 8 {
					r.joinAs(dataless(), func(p *pc) { w.wired(p, honest) })
				}
				r.finish()
				r.identical()
				bytes, _, _ := server.Served()
				part := float64(bytes) / float64(p.packed.Manifest().PackedSize())
				r.Logf("the sender served %.2f × the packed image; %v, lanes %v", part, r.pcs[0].took, r.pcs[0].status.Counters.Lanes)
				if part > 2.5 {
					r.Errorf("the sender served %.2f × the packed image", part)
				}
				for i, pc := range r.pcs {
					if n := pc.status.Counters.Lanes; n[0] > 0 || by == "TFTP" && n[2] == 0 || by == "HTTP" && n[2] > 0 {
						r.Errorf("pc%d: blocks by lane %v", i+1, n)
					}
				}
			})
		})
	}
}

// TestDoneMachinesStayForOthers: half of the image is on one machine's disk and
// half on another's when the sender dies. The first is done soon, and stays while
// the slow ones fetch from it.
func TestDoneMachinesStayForOthers(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 58, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		r.sender.MinReceivers, r.sender.Rate = 3, 10_000_000
		r.send()
		for i := range 3 {
			r.joinAs(simnet.Link{}, func(p *pc) {
				w.wired(p, honest)
				p.fill(r.picture.raw, func(b int) bool { return i < 2 && b%2 == i })
				p.config.Linger = 3 * time.Second
				if i > 0 {
					p.disk.rate, p.config.Memory, p.config.Workers = 2<<20, 16<<20, 1
				}
			})
		}
		pass(3 * time.Second)
		r.kill(w)
		r.finish()
		for i, pc := range r.pcs {
			if pc.err != nil || !pc.disk.holds(p.raw) {
				r.Errorf("pc%d: %v", i+1, pc.err)
			}
			r.Logf("pc%d ended after %v, served %d", i+1, pc.took, pc.status.Served)
		}
		if first := r.pcs[0]; first.status.Served == 0 || first.took > r.pcs[2].took+4*time.Second {
			r.Errorf("the first left after %v and served %d blocks, the slowest was done after %v", first.took, first.status.Served, r.pcs[2].took)
		}
	})
}

// TestOrphanGetsTheManifest: one that heard no data at all before the sender died
// has the manifest, too, from the others.
func TestOrphanGetsTheManifest(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 59, 32<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		r.sender.MinReceivers, r.sender.Rate = 3, 10_000_000
		r.send()
		for i := range 3 {
			cable := simnet.Link{}
			if i == 2 {
				cable = dataless()
			}
			r.joinAs(cable, func(p *pc) {
				w.wired(p, honest)
				p.fill(r.picture.raw, func(b int) bool { return i < 2 && b%2 == i })
			})
		}
		pass(3500 * time.Millisecond)
		r.kill(w)
		r.finish()
		for i, pc := range r.pcs {
			if pc.err != nil || !pc.disk.holds(p.raw) {
				r.Errorf("pc%d: %v", i+1, pc.err)
			}
		}
	})
}

// TestSlowDeafMachineKeepsItsMemory: what is fetched for a slow disk waits at the
// others, not here, and it has all the time that it needs.
func TestSlowDeafMachineKeepsItsMemory(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 60, 64<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		w.senderServes(r, true, true)
		r.sender.MinReceivers, r.sender.Linger = 2, time.Second
		r.send()
		r.joinAs(simnet.Link{}, func(p *pc) { w.wired(p, honest) })
		slow := r.joinAs(dataless(), func(p *pc) {
			w.wired(p, honest)
			p.disk.rate, p.config.Memory, p.config.Workers = 1<<20, 16<<20, 1
			p.config.Status = func(st receiver.Status) {
				if st.Queued > 16<<20/protocol.BlockSize {
					t.Errorf("%d blocks wait for the disk", st.Queued)
				}
			}
		})
		r.finish()
		r.identical()
		if slow.took < 60*time.Second {
			r.Errorf("took %v at 1 MB/s", slow.took)
		}
	})
}

// TestSenderStartsAgainAndAgain, on another path each time.
func TestSenderStartsAgainAndAgain(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 61, 64<<20, true)
	simulate(t, 1, p, simnet.Options{MTU: 9000}, func(r *room) {
		w := newWires()
		r.sender.MinReceivers, r.sender.Rate = 3, 60_000_000
		for i, mtu := range []int{1500, 9000, 1500, 1400} {
			r.sender.Network = narrow{r.server, mtu}
			r.send()
			if i == 0 {
				for range 3 {
					r.joinAs(simnet.Link{Loss: 0.02}, func(p *pc) { w.wired(p, honest) })
				}
			}
			if i < 3 {
				pass(4500 * time.Millisecond)
				r.kill(w)
			}
		}
		r.finish()
		r.identical()
		if len(r.status.Receivers) != 3 {
			r.Error(r.summary())
		}
	})
}
