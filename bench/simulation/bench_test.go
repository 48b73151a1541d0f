package simulation

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image/synthetic"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/pxecast/pxecast/sender"
	"github.com/pxecast/pxecast/sender/diagnosis"
)

// bench measures a room of n machines that keep nothing. cable changes the way
// to machine i.
func bench(t *testing.T, opts simnet.Options, n int, out simnet.Link, cable func(i int) simnet.Link) *diagnosis.Room {
	t.Helper()
	made, err := synthetic.New(96<<20, synthetic.Noise, 1)
	if err != nil {
		t.Fatal(err)
	}
	var measured *diagnosis.Room
	simulate(t, 1, &picture{}, opts, func(r *room) {
		r.server.SetOut(out)
		r.sender.Source, r.sender.Bench, r.sender.MinReceivers = made, true, n
		r.send()
		for i := range n {
			host := r.net.Host(fmt.Sprintf("pc%d", i+1))
			host.SetIn(cable(i))
			r.running.Go(func() { r.discard(host, protocol.ReceiverID(i+1)) })
		}
		r.finish()
		if r.err != nil {
			t.Fatal(r.err)
		}
		measured = r.status.Measured
	})
	measured.Expected = n
	return measured
}

// discard is a machine that takes part in the first session it hears.
func (r *room) discard(host *simnet.Host, id protocol.ReceiverID) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var heard receiver.Heard
	receiver.Discover(ctx, host, netip.Addr{}, func(h receiver.Heard) {
		heard = h
		stop()
	})
	if _, err := receiver.Run(context.Background(), receiver.Config{Network: host, ID: id, Name: host.Name()}, heard, disk.OpenDiscard(heard.RawSize)); err != nil {
		r.Errorf("%s: %v", host.Name(), err)
	}
}

// TestBenchTellsWhereItIsLost: the same loss on the way that all share, on one
// cable, and on every cable by itself are three different findings.
func TestBenchTellsWhereItIsLost(t *testing.T) {
	t.Parallel()
	good := simnet.Link{Rate: gigabit, Queue: 1 << 20}
	bad := good
	bad.Loss = 0.02
	lossyOut := simnet.Link{Rate: gigabit, Loss: 0.02}
	all := func(l simnet.Link) func(int) simnet.Link { return func(int) simnet.Link { return l } }
	for name, c := range map[string]struct {
		flood bool
		out   simnet.Link
		cable func(i int) simnet.Link
		want  []diagnosis.Kind
	}{
		"fine":         {false, simnet.Link{Rate: gigabit}, all(good), []diagnosis.Kind{diagnosis.Reached, diagnosis.Filtered, diagnosis.Alike}},
		"floods":       {true, simnet.Link{Rate: gigabit}, all(good), []diagnosis.Kind{diagnosis.Reached, diagnosis.Flooded, diagnosis.Alike}},
		"common":       {false, lossyOut, all(good), []diagnosis.Kind{diagnosis.Reached, diagnosis.Filtered, diagnosis.CommonLoss, diagnosis.Alike}},
		"one cable":    {false, simnet.Link{Rate: gigabit}, func(i int) simnet.Link { return []simnet.Link{good, bad}[min(1, i/4)] }, []diagnosis.Kind{diagnosis.Reached, diagnosis.Filtered, diagnosis.Loses, diagnosis.Alike}},
		"every cable":  {false, simnet.Link{Rate: gigabit}, all(bad), []diagnosis.Kind{diagnosis.Reached, diagnosis.Filtered, diagnosis.EachLoses, diagnosis.Alike}},
		"both of them": {false, lossyOut, func(i int) simnet.Link { return []simnet.Link{good, bad}[min(1, i/4)] }, []diagnosis.Kind{diagnosis.Reached, diagnosis.Filtered, diagnosis.CommonLoss, diagnosis.Loses, diagnosis.Alike}},
	} {
		t.Run(name, func(t *testing.T) {
			found := diagnosis.Find(bench(t, simnet.Options{Flood: c.flood}, 5, c.out, c.cable))
			var kinds []diagnosis.Kind
			for _, f := range found {
				kinds = append(kinds, f.Kind)
				if f.Kind == diagnosis.Loses && (len(f.Receivers) != 1 || f.Receivers[0] != "pc5") {
					t.Errorf("blames %v", f.Receivers)
				}
			}
			if fmt.Sprint(kinds) != fmt.Sprint(c.want) {
				t.Errorf("finds %v, want %v:\n%+v", kinds, c.want, found)
			}
		})
	}
}

var _ sender.Source = (*synthetic.Image)(nil)
