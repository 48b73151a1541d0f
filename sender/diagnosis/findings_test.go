package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/protocol"
)

// fine is a room of n machines at 1 Gb/s in which nothing is wrong: 1 GB of
// disk in 5 s.
func fine(n int) *Room {
	r := &Room{Expected: n, Seconds: 5, Packets: 400_000, Bytes: 400_000 * 1448, LinkRate: 1e9, Cores: 2, Busy: 0.5, Probes: 50}
	for i := range n {
		r.Receivers = append(r.Receivers, Receiver{
			Name: fmt.Sprintf("pc-%d", i+1), State: protocol.ReceiverDone, Seconds: 5, Workers: 4, Cores: 4, Probes: 50,
			Counters: protocol.Counters{Received: 400_000, Written: 1e9, Decoding: 2000, Writing: 100},
		})
	}
	for range 10 {
		r.Samples = append(r.Samples, Sample{0.5, 40_000, 40_000, 0})
	}
	return r
}

// loses n of the datagrams in gaps rows; of them common with all others.
func (v *Receiver) lose(n, gaps uint64, longest uint32, common float64) {
	v.Counters.Received, v.Counters.Lost = 400_000-n, n
	v.Counters.Gaps, v.Counters.Longest = uint32(gaps), longest
	v.Shared = Shared{n, uint64(float64(n) * common)}
}

func all(r *Room, f func(v *Receiver)) {
	for i := range r.Receivers {
		f(&r.Receivers[i])
	}
}

// finding is what is wanted: its kind, whom it names, and words of its text and
// advice.
type finding struct {
	kind  Kind
	names []string
	words []string
}

func TestFindings(t *testing.T) {
	pc := func(i ...int) (list []string) {
		for _, i := range i {
			list = append(list, fmt.Sprintf("pc-%d", i))
		}
		return list
	}
	for name, c := range map[string]struct {
		room  *Room
		spoil func(r *Room)
		want  []finding // all of them, in order
	}{
		"everything fine": {fine(4), func(*Room) {}, []finding{
			{Reached, nil, []string{"4 machines"}},
			{Filtered, nil, nil},
			{Alike, nil, []string{"link is full", "969 Mbit/s"}}}},
		"one lossy cable, single datagrams": {fine(4), func(r *Room) {
			r.Receivers[2].lose(8000, 7900, 3, 0)
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Loses, pc(3), []string{"2.0 %", "single", "its own cable", "longest row 3", "change its cable"}},
			{kind: Alike}}},
		"one cable with bursts in a rhythm": {fine(4), func(r *Room) {
			r.Receivers[0].lose(20_000, 200, 100, 0.01)
			r.Receivers[0].Period = 2000
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Loses, pc(1), []string{"bursts of 100", "longest 100", "every 2000 datagrams", "25 ms"}},
			{kind: Alike}}},
		"the loss of an idle moment is no finding": {fine(4), func(r *Room) {
			r.Receivers[2].lose(19, 19, 1, 0)
		}, []finding{{kind: Reached}, {kind: Filtered}, {kind: Alike}}},
		"a link of 100 Mbit/s": {fine(4), func(r *Room) {
			r.Receivers[3].lose(362_000, 9000, 400, 0)
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Loses, pc(4), []string{"link of 100 Mbit/s carries", "damaged cable"}},
			{kind: Alike}}},
		"common loss": {fine(4), func(r *Room) {
			all(r, func(v *Receiver) { v.lose(8000, 7900, 3, 0.98) })
		}, []finding{{kind: Reached}, {kind: Filtered},
			{CommonLoss, nil, []string{"2.0 %", "between this machine and the first switch"}},
			{kind: Alike}}},
		"common loss, and one that loses more": {fine(4), func(r *Room) {
			all(r, func(v *Receiver) { v.lose(8000, 7900, 3, 1) })
			r.Receivers[1].lose(24_000, 23_000, 3, 1./3)
		}, []finding{{kind: Reached}, {kind: Filtered},
			{CommonLoss, nil, []string{"2.0 %"}},
			{Loses, pc(2), []string{"4.0 %"}},
			{kind: Alike}}},
		"each loses its own": {fine(6), func(r *Room) {
			all(r, func(v *Receiver) { v.lose(4000, 400, 20, 0) })
		}, []finding{{kind: Reached}, {kind: Filtered},
			{EachLoses, pc(1, 2, 3, 4, 5, 6), []string{"1.0 %", "bursts of 10", "too little memory"}},
			{kind: Alike}}},
		"storm control": {fine(4), func(r *Room) {
			all(r, func(v *Receiver) { v.lose(100_000, 50_000, 4, 1) })
			r.Samples = nil
			for i := range 10 {
				sent := uint64(10_000 + 5000*i)
				r.Samples = append(r.Samples, Sample{0.5, sent, 9000, float64(sent - 9000)})
			}
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Limited, nil, []string{"218 Mbit/s", "all machines alike", "storm control", "--rate 207M"}},
			{kind: Alike}}},
		"one receiver, and it loses": {fine(1), func(r *Room) {
			r.Receivers[0].lose(8000, 7900, 3, 0)
			r.Receivers[0].Shared = Shared{}
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Loses, pc(1), []string{"2.0 %", "with a second receiver"}},
			{kind: Alike}}},
		"a slow processor": {fine(4), func(r *Room) {
			v := &r.Receivers[1]
			v.Seconds, v.Behind, v.Counters.Decoding, v.Counters.Shed = 9, 0.9, 34_000, 200
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Processor, pc(2), []string{"111 MB/s", "200", "workers decode 94 %"}}}},
		"a processor that does not read in time": {fine(4), func(r *Room) {
			r.Receivers[1].Counters.Overflow, r.Receivers[1].Counters.Gaps = 40_000, 30
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Processor, pc(2), []string{"hardly follow", "dropped 9.1 %"}}}},
		"a slow disk": {fine(4), func(r *Room) {
			v := &r.Receivers[3]
			v.Seconds, v.Behind, v.Counters.Writing, v.Counters.Shed = 20, 1, 70_000, 2000
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Disk, pc(4), []string{"50 MB/s", "write 88 %"}}}},
		"all have slow processors": {fine(4), func(r *Room) {
			r.LinkRate = 10e9
			all(r, func(v *Receiver) { v.Behind, v.Counters.Decoding = 0.9, 19_000 })
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Alike, nil, []string{"no machine stands out", "processors of 4 receivers"}}}},
		"the sender's processor": {fine(4), func(r *Room) {
			r.LinkRate, r.Busy = 10e9, 0.97
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Alike, nil, []string{"this machine's processor"}}}},
		"slow for no reason that can be seen": {fine(4), func(r *Room) {
			r.Receivers[0].Seconds = 8
		}, []finding{{kind: Reached}, {kind: Filtered},
			{Slow, pc(1), []string{"125 MB/s", "200"}}}},
		"no multicast to one": {fine(4), func(r *Room) {
			v := &r.Receivers[2]
			v.State, v.Error, v.Counters = protocol.ReceiverFailed, "announcements arrive but no data", protocol.Counters{}
		}, []finding{
			{Dropped, pc(3), []string{"no multicast reached it", "querier"}},
			{kind: Filtered}, {kind: Alike}}},
		"multicast stops after a while": {fine(4), func(r *Room) {
			v := &r.Receivers[2]
			v.State, v.Error, v.Deaf = protocol.ReceiverFailed, "no data", 8
		}, []finding{
			{Dropped, pc(3), []string{"stopped in the middle", "querier"}},
			{kind: Filtered}, {kind: Alike}}},
		"one falls silent, one does not come": {fine(4), func(r *Room) {
			r.Expected = 5
			r.Receivers[1].State = protocol.ReceiverGone
		}, []finding{
			{Missing, nil, []string{"4 of 5"}}, {Gone, pc(2), []string{"fell silent"}},
			{kind: Filtered}, {kind: Alike}}},
		"one is cancelled": {fine(2), func(r *Room) {
			r.Receivers[1].State, r.Receivers[1].Error = protocol.ReceiverFailed, "cancelled at this machine"
		}, []finding{{Failed, pc(2), []string{"cancelled at this machine"}}, {kind: Filtered}, {kind: Alike}}},
		"a switch that floods": {fine(3), func(r *Room) {
			all(r, func(v *Receiver) { v.Counters.Stray = 48 })
		}, []finding{{kind: Reached}, {Flooded, nil, []string{"every port", "IGMP snooping"}}, {kind: Alike}}},
		"one switch of two floods": {fine(3), func(r *Room) {
			r.Receivers[0].Counters.Stray = 48
		}, []finding{{kind: Reached}, {Flooded, pc(1), []string{"pc-2 and pc-3"}}, {kind: Alike}}},
		"nobody could listen": {fine(3), func(r *Room) {
			all(r, func(v *Receiver) { v.Counters.Stray = protocol.StrayUnknown })
		}, []finding{{kind: Reached}, {FloodBlind, nil, []string{"unknown"}}, {kind: Alike}}},
		"over before it was probed": {fine(3), func(r *Room) {
			all(r, func(v *Receiver) { v.Probes = 2 })
		}, []finding{{kind: Reached}, {kind: FloodBlind}, {kind: Alike}}},
		"one came after the probes, and hears none": {fine(3), func(r *Room) {
			all(r, func(v *Receiver) { v.Counters.Stray = 50 })
			r.Receivers[2].Counters.Stray, r.Receivers[2].Probes = 0, 0
		}, []finding{{kind: Reached}, {kind: Flooded}, {kind: Alike}}},
		"nobody": {&Room{Expected: 1}, func(*Room) {}, []finding{{kind: Missing}, {kind: FloodBlind}}},
		"the user's rate": {fine(2), func(r *Room) { r.Rate = 1e9 }, []finding{
			{kind: Reached}, {kind: Filtered}, {Alike, nil, []string{"rate that you allow"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			c.spoil(c.room)
			got := Find(c.room)
			for i := range max(len(got), len(c.want)) {
				if i >= len(got) || i >= len(c.want) || got[i].Kind != c.want[i].kind {
					t.Fatalf("found\n%s\nwant %v", lines(got), c.want)
				}
				if !slices.Equal(got[i].Receivers, c.want[i].names) {
					t.Errorf("%s names %v, want %v", got[i].Kind, got[i].Receivers, c.want[i].names)
				}
				for _, w := range c.want[i].words {
					if !strings.Contains(got[i].Text+" "+got[i].Advice, w) {
						t.Errorf("%s says %q and advises %q; want %q in it", got[i].Kind, got[i].Text, got[i].Advice, w)
					}
				}
			}
			t.Log("\n" + lines(got))
		})
	}
}

func lines(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		fmt.Fprintf(&b, "%s %v: %s\n   → %s\n", f.Kind, f.Receivers, f.Text, f.Advice)
	}
	return b.String()
}

func TestBelowALimit(t *testing.T) {
	for rate, want := range map[float64]string{218e6: "207M", 1.06e6: "1M", 1.05e6: "997k", 20e3: "64k"} {
		if got := below(rate); got != want {
			t.Errorf("--rate %s below %.0f bit/s, want %s", got, rate, want)
		}
	}
}

// What binds a receiver when its figures are nobody's fault.
func TestLimitOfAReceiver(t *testing.T) {
	for want, spoil := range map[string]func(v *Receiver){
		"":          func(*Receiver) {},
		"network":   func(v *Receiver) { v.lose(8000, 8000, 1, 0) },
		"processor": func(v *Receiver) { v.lose(8000, 8000, 1, 0); v.Behind, v.Counters.Decoding = 1, 15_000 },
		"disk":      func(v *Receiver) { v.Counters.Writing = 18_000 },
	} {
		v := fine(1).Receivers[0]
		spoil(&v)
		if got := v.Limit(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestLimitOfTheWay(t *testing.T) {
	ramp := func(n int, arrive func(sent float64) float64) (all []Sample) {
		for i := range n {
			sent := 10_000 * (1 + float64(i)/4)
			got := arrive(sent)
			all = append(all, Sample{1, uint64(sent), got, sent - got})
		}
		return all
	}
	repeat := func(n int, s ...Sample) (all []Sample) {
		for range n {
			all = append(all, s...)
		}
		return all
	}
	for name, c := range map[string]struct {
		samples []Sample
		want    float64
	}{
		"nothing":                    {nil, 0},
		"all arrives":                {ramp(12, func(s float64) float64 { return s }), 0},
		"a cap":                      {ramp(12, func(s float64) float64 { return min(s, 15_000) }), 15_000},
		"always above a cap":         {ramp(12, func(s float64) float64 { return min(s, 8000) }), 8000},
		"a share of any rate":        {ramp(12, func(s float64) float64 { return 0.9 * s }), 0},
		"a share of one rate":        {repeat(9, Sample{1, 10_000, 9000, 1000}), 0},
		"a share, at times":          {repeat(5, Sample{1, 10_000, 9700, 300}, Sample{1, 10_000, 10_000, 0}), 0},
		"just above a cap and below": {repeat(5, Sample{1, 10_400, 10_000, 400}, Sample{1, 9500, 9500, 0}), 10_000},
		"too short":                  {repeat(1, Sample{1, 20_000, 10_000, 10_000}, Sample{1, 40_000, 10_000, 30_000}), 0},
	} {
		if got := limit(c.samples); got < c.want*0.99 || got > c.want*1.01 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
