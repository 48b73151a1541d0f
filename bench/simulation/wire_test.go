package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// slowWire in bit/s is the sender's port in the rooms that are measured
	// against their wire.
	slowWire = 200e6

	// onWire is what a datagram takes there beside its payload: Ethernet, IP and
	// UDP headers. A link counts payload only, so it is made as much slower.
	onWire = 14 + 20 + 8
)

// TestWireBound: how long a room takes, from the sender's start to the last
// disk, relative to what the wire takes for the packed image. Everything but
// that wire is as fast as one likes, so all that is more is the protocol's: the
// headers alone are 5.8 per cent.
func TestWireBound(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 21, 32<<20, true)
	var one time.Duration
	for _, c := range []struct {
		receivers int
		loss      float64
		most      float64
	}{
		{1, 0, 1.08}, {8, 0, 1.08}, {24, 0, 1.08},
		{1, 0.01, 1.12}, {8, 0.01, 1.12}, {24, 0.01, 1.12},
		{1, 0.10, 1.30}, {8, 0.10, 1.30}, {24, 0.10, 1.30},
	} {
		t.Run(fmt.Sprintf("%d receivers, %.0f %% lost", c.receivers, 100*c.loss), func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				took, ratio := r.wireBound(c.receivers, c.loss)
				r.Logf("%.4f × the wire's time, sent %.4f × the packed image", ratio, r.overhead())
				if ratio > c.most {
					r.Errorf("%.3f × the wire's time, want ≤ %.2f", ratio, c.most)
				}
				if c.receivers == 1 && c.loss == 0 {
					one = took
				}
				if c.loss == 0 && took > one*103/100 {
					r.Errorf("%v, one receiver alone takes %v", took, one)
				}
			})
		})
	}
}

// wireBound runs a room whose machines wait for their sender, and returns how
// long it took and that over the wire's time for the packed image, for an image
// of 512 MB: there the start and the end, which no size changes, count as little
// as they do in use.
func (r *room) wireBound(receivers int, loss float64) (took time.Duration, ratio float64) {
	const (
		size    = 512e6
		payload = protocol.DefaultSymbolSize + protocol.DataHeaderSize
		cable   = 50 * time.Microsecond
	)
	rate := slowWire * float64(payload) / (payload + onWire)
	r.server.SetOut(simnet.Link{Rate: int64(rate), Delay: cable})
	r.sender.MinReceivers, r.sender.Linger = receivers, 0
	for range receivers {
		r.join(simnet.Link{Loss: loss}).host.SetOut(simnet.Link{Rate: gigabit, Delay: cable})
	}
	pass(time.Second)
	begin := time.Now()
	r.send()
	r.finish()
	r.identical()
	for _, p := range r.pcs {
		took = max(took, p.ended.Sub(begin))
	}
	packed := float64(r.picture.packed.Manifest().PackedSize())
	wire := float64(r.status.Traffic.Bytes) * 8 / rate
	return took, (took.Seconds() - wire + wire*size/packed) / (size * 8 / slowWire)
}

// TestEvenPace: a machine on a cable of 100 Mbit/s in a room of gigabit. At
// --rate 80M nothing is lost for it, though the switch holds only a few
// datagrams for its port.
func TestEvenPace(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 22, 16<<20, true)
	for _, c := range []struct{ burst, buffer int }{{0, 32 << 10}, {0, 128 << 10}, {4 << 10, 8 << 10}, {128 << 10, 256 << 10}} {
		t.Run(fmt.Sprintf("burst %d, %d bytes in the switch", c.burst, c.buffer), func(t *testing.T) {
			simulate(t, 1, p, simnet.Options{}, func(r *room) {
				r.sender.MinReceivers, r.sender.Rate, r.sender.Burst = 2, 80e6, c.burst
				r.join(simnet.Link{})
				slow := r.join(simnet.Link{})
				slow.host.SetIn(simnet.Link{Rate: 100e6, Queue: c.buffer})
				begin := time.Now()
				r.send()
				r.finish()
				r.identical()
				if lost := slow.host.Counters().LostIn.Total().Datagrams; lost > 0 {
					r.Errorf("%d datagrams were lost at the port", lost)
				}
				bits := 8 * float64(r.status.Traffic.Bytes+66*r.status.Traffic.Packets)
				if mean := bits / slow.ended.Sub(begin).Seconds(); mean < 0.9*80e6 {
					r.Errorf("%.1f Mbit/s on the wire in the mean, want nearly 80", mean/1e6)
				}
			})
		})
	}
}
