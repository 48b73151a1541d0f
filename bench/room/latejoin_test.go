package room

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
)

// arrive starts n receivers at random moments within a time, the first at once,
// calls before with the number of each, and returns them and the most that the
// port had sent by the start of one, as a share of size bytes of symbols.
func (r *room) arrive(n int, within time.Duration, size int, before func(i int)) (receivers []*process, missed float64) {
	r.Helper()
	random := rand.New(rand.NewPCG(4, 1))
	moments := make([]time.Duration, n-1)
	for i := range moments {
		moments[i] = time.Duration(random.Int64N(int64(within)))
	}
	slices.Sort(moments)
	sent := func() int64 {
		s, err := r.lab.Host(0).Sent()
		if err != nil {
			r.Fatal(err)
		}
		return int64(s.Bytes)
	}
	none := sent()
	before(0)
	receivers = append(receivers, r.receive(1))
	begin := time.Now()
	for i, at := range moments {
		select {
		case <-time.After(time.Until(begin.Add(at))):
		case <-r.ctx.Done():
			r.Fatal(r.ctx.Err())
		}
		missed = max(missed, float64(sent()-none)/float64(frames(size)))
		before(i + 1)
		receivers = append(receivers, r.receive(i+2))
	}
	return receivers, missed
}

// frames returns the bytes of Ethernet frames that so many bytes of symbols take.
func frames(size int) int {
	const symbol, headers = 1408, 40 + 28 + 14
	return size / symbol * (symbol + headers)
}

// TestLateJoiners: eight machines come at random moments, while the image is sent
// once, and over twice that time, as the late ones have it sent again. What is
// sent is the image, and once more what the last of them missed.
func TestLateJoiners(t *testing.T) {
	const n, size, wire = 8, 64 << 20, 100 // Mbit/s
	r := newRoom(t, n)
	r.wire(wire)
	image := r.packed(size)
	once := time.Duration(wireTime(size, wire) * float64(time.Second))
	for _, times := range []time.Duration{1, 2} {
		t.Run(fmt.Sprintf("over %d times", times), func(t *testing.T) {
			r := r.in(t)
			r.folder = t.TempDir()
			s := r.send(image, "--linger", "8s")
			receivers, missed := r.arrive(n, times*once, size, func(int) {})
			v := r.allWell(image, s, receivers)
			sent := v.overhead()
			t.Logf("sent %.3f × packed; the last one had missed %.3f: %.3f of the bound", sent, missed, sent/(1.10*(1+missed)))
			if sent > 1.10*(1+missed) {
				t.Errorf("sent %.3f × packed, want ≤ %.3f", sent, 1.10*(1+missed))
			}
		})
	}
}

// TestSpreadStarts: eight machines are switched on within half a minute, on a
// session that takes longer, behind a switch that sends each port only what it
// asked for. None of them gets a tenth twice.
func TestSpreadStarts(t *testing.T) {
	const n, size, wire = 8, 160 << 20, 40 // Mbit/s
	r := newRoomIn(t, lab.Config{Hosts: n + 1, Snooping: true})
	r.wire(wire)
	image := r.packed(size)
	r.send(image, "--linger", "1s")
	var before [n]int64 // what the switch sends everywhere until it knows better
	receivers, missed := r.arrive(n, 30*time.Second, size, func(i int) { before[i] = r.counter(i+1, "rx_bytes") })
	worst := 0.0
	for i, p := range receivers {
		r.well(image, i+1, p)
		twice := float64(r.counter(i+1, "rx_bytes")-before[i])/float64(frames(size)) - 1
		worst = max(worst, twice)
		if twice > 0.10 {
			t.Errorf("receiver %d got %.1f %% more than it needed", i+1, 100*twice)
		}
	}
	t.Logf("at the most %.1f %% twice; the last one had missed %.3f", 100*worst, missed)
}
