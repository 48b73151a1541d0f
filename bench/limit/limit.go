// Package limit measures the most that this machine could do: its cores shared
// by the work that can't be avoided, each kind of it measured alone.
//
// What counts is what nobody who sends this image to that many receivers on one
// machine can do without: the kernel's work to send and to receive the
// datagrams, decoding the frames, digesting the blocks, writing them. All of it
// is the code that a session runs, on the datagrams and blocks that a session
// has, and nothing else: no headers and checksums of datagrams, no copy from the
// socket's buffer to the block's, no reading of the packed image, no reports, no
// waking of whoever waits for a datagram, and every core busy from the first
// moment to the last. So 100 % can't be reached.
//
// Three things leave the figure uncertain.
//   - Seconds are those of the measuring threads (CLOCK_THREAD_CPUTIME_ID). The
//     kernel does the network's own work, the bridge's copies for each receiver
//     among it, in whichever thread is in the kernel at that moment: nearly
//     always the sending one, whose seconds therefore grow with the number of
//     receivers, where a real sender's don't, as a switch makes the copies. How
//     much longer the machine was busy than its threads say is in
//     [report.Limit] as Unbilled; it means something only on a machine that does
//     nothing else.
//   - Decode, digest and write are measured on all cores at once, because cores
//     that share a memory bus, or are two threads of one, are slower together
//     (on a virtual machine with two, decoding took 0.48 core-seconds per GB
//     while the other was idle and 0.69 while it was busy). The network has the
//     machine to itself, so that for it the figure is too good.
//   - Disk write is the processor's part: for a file in memory all there is, for
//     a real disk far from it.
package limit

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/pxecast/pxecast/bench/report"
	"github.com/pxecast/pxecast/internal/image"
)

// repetitions is how often each stage is measured; the median counts.
const repetitions = 3

// Measure returns the limit for one number of receivers, see MeasureEach.
func Measure(ctx context.Context, imageName string, packed *image.Packed, receivers int, dir string) (report.Limit, error) {
	limits, err := MeasureEach(ctx, imageName, packed, []int{receivers}, dir)
	if err != nil {
		return report.Limit{}, err
	}
	return limits[0], nil
}

// MeasureEach returns the limit for each number of receivers, in their order.
// The receivers' own work is measured once for all of them. A disk is written as
// a file in dir, which needs room for it. It takes some ten seconds for a disk
// of 2 GB and two for each number of receivers. That makes a lab, which needs
// root (lab.ErrNotRoot), and runs Go code on one core only (GOMAXPROCS).
func MeasureEach(ctx context.Context, imageName string, packed *image.Packed, receivers []int, dir string) ([]report.Limit, error) {
	own, err := blockStages(ctx, packed, dir)
	if err != nil {
		return nil, fmt.Errorf("measuring the machine's limit: %w", err)
	}
	var limits []report.Limit
	for _, n := range receivers {
		sockets, err := measureSockets(ctx, packed.Manifest(), n)
		if err != nil {
			return nil, fmt.Errorf("measuring the machine's limit for %d receivers: %w", n, err)
		}
		limits = append(limits, limitOf(imageName, n, runtime.NumCPU(), sockets, own))
	}
	return limits, nil
}

// limitOf puts the stages together: once for the sender, and for every receiver.
func limitOf(imageName string, receivers, cores int, s sockets, own []report.Stage) report.Limit {
	l := report.Limit{Image: imageName, Receivers: receivers, Cores: cores, Unbilled: s.unbilled}
	l.Stages = append([]report.Stage{s.send, s.receive}, own...)
	var sum float64
	for i := range l.Stages {
		st := &l.Stages[i]
		if st.Times = receivers; st.Name == report.StageSend {
			st.Times = 1
		}
		sum += float64(st.Times) * st.SecondsPerGB
	}
	l.MBPerS = float64(cores) / sum * 1000
	return l
}

// stage makes a stage of its measurements, in core-seconds per GB of disk.
func stage(name string, v []float64) report.Stage {
	m := median(v)
	return report.Stage{Name: name, SecondsPerGB: m, Spread: (slices.Max(v) - slices.Min(v)) / m}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
