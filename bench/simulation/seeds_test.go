package simulation

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// seeds plays a room of chance on as many seeds as PXECAST_SEEDS says, or on a
// few, and on that one alone which PXECAST_SEED names: a failing one replays.
func seeds(t *testing.T, few int, play func(t *testing.T, seed uint64)) {
	t.Helper()
	first, n := uint64(0), uint64(few)
	if v, err := strconv.ParseUint(os.Getenv("PXECAST_SEEDS"), 10, 32); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("PXECAST_SEED"), 10, 32); err == nil {
		first, n = v, 1
	}
	for seed := first; seed < first+n; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { play(t, seed) })
	}
}

// add switches on a machine with a thin disk; change may be nil.
func (r *room) add(cable simnet.Link, change func(p *pc)) *pc {
	p := &pc{thin: newThinDisk(r.picture.raw), done: make(chan struct{})}
	p.host = r.net.Host(fmt.Sprintf("pc%d", len(r.pcs)+1))
	if cable.Rate == 0 {
		cable.Rate = gigabit
	}
	cable.Queue = 1 << 20
	p.host.SetIn(cable)
	p.config = receiver.Config{Network: p.host, ID: protocol.ReceiverID(len(r.pcs) + 1), Name: p.host.Name(), Memory: 64 << 20}
	if change != nil {
		change(p)
	}
	r.pcs = append(r.pcs, p)
	r.start(p)
	return p
}

// symbols returns how many source symbols the image has.
func (r *room) symbols() (n int) {
	m := r.picture.packed.Manifest()
	for i := range m.DataBlocks() {
		n += protocol.LayoutOf(m.FrameLen(i), protocol.DefaultSymbolSize).K
	}
	return n
}

// data returns how many DATA datagrams of a tally there are.
func data(t simnet.Tallies) int { return int(t[protocol.TypeData].Datagrams) }
