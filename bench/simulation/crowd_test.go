package simulation

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/pxecast/pxecast/sender"
)

// newCrowdPicture makes an image of blocks that pack to a third: a thousand
// machines hold sixteen of them each. At an MTU of 576 they have as many symbols
// as whole ones have else.
func newCrowdPicture(t testing.TB, blocks int) *picture {
	raw := make([]byte, blocks*protocol.BlockSize)
	random := rand.New(rand.NewPCG(1, 3))
	for i := range raw {
		raw[i] = 'a' + byte(random.Uint32N(6))
	}
	return pictureOf(t, raw)
}

// reports notes when each report reached the sender's machine.
func (r *room) reports() *[]time.Time {
	all := new([]time.Time)
	link := r.server.In()
	link.Keep = func(k simnet.Packet) bool {
		if k.Data[11] == byte(protocol.TypeReport) {
			*all = append(*all, time.Now())
		}
		return true
	}
	r.server.SetIn(link)
	return all
}

// busiest returns the most that came within a second.
func busiest(all []time.Time) (most int) {
	first := 0
	for i, at := range all {
		for at.Sub(all[first]) >= time.Second {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// crowd runs a room of n machines, each of which loses one datagram of a hundred
// by itself, and returns how long it took and the most reports in a second.
func crowd(t *testing.T, seed uint64, p *picture, n int, wire int64) (took float64, most int) {
	t.Helper()
	simulate(t, seed, p, simnet.Options{MTU: 576}, func(r *room) {
		r.sender.Rate = wire
		all := r.reports()
		r.sender.MinReceivers = n
		for range n {
			r.add(simnet.Link{Loss: 0.01}, thrifty)
		}
		r.send()
		r.finish()
		r.identical()
		took, most = r.status.Seconds(), busiest(*all)
		t.Logf("%d machines: %.2f s, sent %.3f × packed, at most %d reports in a second, %d in all", n, took, r.overhead(), most, len(*all))
	})
	return took, most
}

// thrifty makes a machine one of many in the memory of one.
func thrifty(p *pc) {
	p.config.Workers = 1
}

// TestCrowd: a crowd takes as long as ten machines, and its reports do not drown
// the sender. With PXECAST_SEEDS it is a thousand, and the session takes as long
// as one of eight gigabytes, packed, does at a gigabit: the rate is as much lower
// as the image is smaller. That takes minutes; without, all is a fifth of it.
func TestCrowd(t *testing.T) {
	t.Parallel()
	n, session := 200, 14.0 // seconds
	if raced {
		n = 15
	}
	if os.Getenv("PXECAST_SEEDS") != "" {
		n, session = 1000, 68
	}
	p := newCrowdPicture(t, 40)
	wire := int64(float64(p.packed.Manifest().PackedSize()) * 8 / session)
	seeds(t, 1, func(t *testing.T, seed uint64) {
		ten, _ := crowd(t, seed, p, 10, wire)
		many, most := crowd(t, seed, p, n, wire)
		if many > 1.05*ten {
			t.Errorf("%.2f s, ten machines take %.2f s", many, ten)
		}
		if most > 1000 {
			t.Errorf("%d reports in a second", most)
		}
	})
}

// mixedWire in bit/s is what may be sent.
const mixedWire = 4_000_000

// fate is what happens to a machine of a mixed room.
type fate int

const (
	plain  fate = iota
	late        // comes at any time
	slow        // its disk is at a tenth of the wire
	lossy       // loses a quarter
	dying       // is switched off at any time
	again       // and on again
	broken      // its disk fails
	fates
)

var errBroken = errors.New("write block: input/output error")

// TestMixedRooms: machines of every kind in one room. All that can finish do;
// of each of the others the sender says what became of it.
func TestMixedRooms(t *testing.T) {
	t.Parallel()
	n := 28
	if raced {
		n = 10
	}
	p := newCrowdPicture(t, 128)
	seeds(t, 4, func(t *testing.T, seed uint64) { mixed(t, seed, p, n) })
}

// TestMixedCrowd is one such room of a thousand machines; without PXECAST_SEEDS,
// for time, of sixty.
func TestMixedCrowd(t *testing.T) {
	t.Parallel()
	n := 60
	if raced {
		n = 15
	}
	if os.Getenv("PXECAST_SEEDS") != "" {
		n = 1000
	}
	mixed(t, 0, newCrowdPicture(t, 128), n)
}

// mixed plays a room of n machines, each of which has a fate of its own.
func mixed(t *testing.T, seed uint64, p *picture, n int) {
	t.Helper()
	once := time.Duration(float64(p.packed.Manifest().PackedSize()) * 8 / mixedWire * 1e9)
	simulate(t, seed, p, simnet.Options{}, func(r *room) {
		random := rand.New(rand.NewPCG(seed, 11))
		within := func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
		r.sender.Rate = mixedWire
		r.sender.Linger = 2 * once
		reports := r.reports()
		r.send()
		var life []fate
		var events []event
		for i := range n {
			f := fate(random.IntN(int(fates)))
			if i == 0 {
				f = plain
			}
			life = append(life, f)
			on := within(200 * time.Millisecond)
			if f == late {
				on = within(2 * once)
			}
			events = append(events, event{on, func() { r.live(i, f) }})
			if f == dying || f == again {
				off := on + 100*time.Millisecond + within(once)
				events = append(events, event{off, func() { r.off(i) }})
				if f == again {
					events = append(events, event{off + time.Second, func() { r.live(i, f) }})
				}
			}
		}
		r.pcs = make([]*pc, n)
		r.play(events)
		r.finish()
		r.fates(life, once)
		most := busiest(*reports)
		r.Logf("at most %d reports in a second", most)
		if most > 1000 {
			r.Errorf("%d reports in a second", most)
		}
	})
}

// event is what happens in a room at a time.
type event struct {
	at time.Duration
	do func()
}

func (r *room) play(events []event) {
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	begin := time.Now()
	for _, e := range events {
		pass(time.Until(begin.Add(e.at)))
		e.do()
	}
}

// live switches machine i on.
func (r *room) live(i int, f fate) {
	p := &pc{thin: newThinDisk(r.picture.raw), done: make(chan struct{})}
	p.host = r.net.Host(fmt.Sprintf("pc%d", i+1))
	cable := simnet.Link{Loss: 0.01}
	p.config = receiver.Config{Network: p.host, ID: protocol.ReceiverID(i + 1), Name: p.host.Name()}
	thrifty(p)
	switch f {
	case slow:
		p.thin.rate = mixedWire / 8 * 3 / 10 // of raw bytes, three times as many as packed ones
	case lossy:
		cable.Loss = 0.25
	case broken:
		p.thin.broken = errBroken
	}
	p.host.SetIn(cable)
	r.pcs[i] = p
	r.start(p)
}

// off cuts machine i's power.
func (r *room) off(i int) {
	p := r.pcs[i]
	p.cut = time.Now()
	p.host.PowerCut()
	p.cancel()
	<-p.done
}

// fates checks how each machine ended, at the machine and in the sender's table.
func (r *room) fates(life []fate, once time.Duration) {
	r.Helper()
	if r.err != nil {
		r.Errorf("sender: %v", r.err)
	}
	table := map[protocol.ReceiverID]sender.ReceiverStatus{}
	for _, m := range r.status.Receivers {
		table[m.ID] = m
	}
	for i, p := range r.pcs {
		m, here := table[p.config.ID]
		want, why := protocol.ReceiverDone, ""
		switch life[i] {
		case dying:
			want, why = protocol.ReceiverGone, "last seen"
		case broken:
			want, why = protocol.ReceiverFailed, errBroken.Error()
		}
		finished := p.err == nil && p.holds(nil)
		// In a crowd it may not have had the time to say that it had.
		untold := m.State == want && p.cut.Sub(m.Joined.Add(time.Duration(p.status.Seconds*1e9))) < 2*time.Second
		if life[i] == dying && (!here || finished && (m.State == protocol.ReceiverDone || untold)) {
			continue // it was off before it had come, or had finished
		}
		if m.State != want || !strings.Contains(m.Error, why) {
			r.Errorf("%s, %v: the sender says %v %q", p.host.Name(), life[i], m.State, m.Error)
		}
		if finished != (want == protocol.ReceiverDone) {
			r.Errorf("%s, %v: %v, disk %v", p.host.Name(), life[i], p.err, p.holds(nil))
		}
	}
	ended := func(f fate) (d time.Duration) {
		for i, p := range r.pcs {
			if life[i] == f {
				d = max(d, time.Duration(p.status.Seconds*1e9))
			}
		}
		return d
	}
	r.Logf("sent %.2f × packed; plain %v (%.2f × the wire's time), slow %v, lossy %v", r.overhead(), ended(plain), ended(plain).Seconds()/once.Seconds(), ended(slow), ended(lossy))
	if d := ended(plain); d > once*7/5 { // headers and what heals all of them take a quarter; the slow take nine times as long
		r.Errorf("one with no fault of its own took %v; the wire alone takes %v", d, once)
	}
}

func (f fate) String() string {
	return [...]string{"plain", "late", "slow", "lossy", "dying", "again", "broken"}[f]
}
