package simulation

import (
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
)

// TestWhoIsDoneStays for a late one with a slow disk, also in a room whose roster
// takes several pages, and says next to nothing meanwhile.
func TestWhoIsDoneStays(t *testing.T) {
	t.Parallel()
	const n = 120
	p := newCrowdPicture(t, 20)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		w := newWires()
		reports := r.reports()
		r.sender.MinReceivers = n
		r.sender.Rate = p.packed.Manifest().PackedSize() * 8 / 2 // two seconds
		join := func(diskRate int64) *pc {
			return r.add(simnet.Link{}, func(p *pc) {
				w.wired(p, honest)
				p.config.Workers, p.config.Memory, p.thin.rate = 1, 16<<20, diskRate
			})
		}
		for range n {
			join(0)
		}
		r.send()
		pass(1500 * time.Millisecond)
		late := join(protocol.BlockSize * 20 / 8) // eight seconds
		r.finish()
		left := 0
		for _, pc := range r.pcs[:n] {
			if pc.err != nil {
				r.Errorf("%v", pc.err)
			}
			if pc.ended.Before(late.ended.Add(-time.Second)) {
				left++
			}
		}
		if late.err != nil || left > 0 {
			r.Errorf("%d of %d left before the late one was done (%v, after %v)", left, n, late.err, late.took)
		}
		quiet := 0 // reports while all but one stay
		for _, at := range *reports {
			if at.After(late.ended.Add(-5*time.Second)) && at.Before(late.ended.Add(-time.Second)) {
				quiet++
			}
		}
		r.Logf("%d reports in the busiest second, %d in four seconds of staying", busiest(*reports), quiet)
		if most := busiest(*reports); most > 1000 {
			r.Errorf("%d reports in the busiest second", most)
		}
		if quiet > 4*60 { // those of the late one, and twelve a second of the others
			r.Errorf("%d reports in four seconds of staying", quiet)
		}
	})
}

// dozingDisk takes its time to flush, and to read.
type dozingDisk struct {
	*memoryDisk
	flush time.Duration
}

func (d dozingDisk) Flush() error {
	pass(d.flush)
	return d.memoryDisk.Flush()
}

func (d dozingDisk) ReadAt(p []byte, off int64) (int, error) {
	pass(20 * time.Millisecond)
	return d.memoryDisk.ReadAt(p, off)
}

// TestLongFlush: a flush may take the disk minutes, whether it is read back then
// or not.
func TestLongFlush(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 41, 4<<20, true)
	for _, verify := range []bool{false, true} {
		simulate(t, 1, p, simnet.Options{}, func(r *room) {
			disk := dozingDisk{&memoryDisk{data: make([]byte, len(p.raw))}, 10 * time.Minute}
			r.send()
			pc := r.joinAs(simnet.Link{}, func(p *pc) {
				p.other = disk
				p.config.Verify = verify
			})
			r.finish()
			if pc.err != nil || !disk.holds(p.raw) {
				r.Errorf("verify %v: %v after %v", verify, pc.err, pc.took)
			}
		})
	}
}
