package mcast_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

// BenchmarkRoom is the limit that the hot path cannot pass: one sender and n
// receivers that look at nothing, over veth pairs and a bridge. MB/s are those
// of one receiver, lost the share that the mean receiver did not get.
func BenchmarkRoom(b *testing.B) {
	for _, opts := range []mcast.Options{{}, {NoGSO: true}} {
		for _, n := range []int{1, 4} {
			b.Run(fmt.Sprintf("receivers=%d/nogso=%v", n, opts.NoGSO), func(b *testing.B) {
				benchmarkRoom(b, n, opts)
			})
		}
	}
}

func benchmarkRoom(b *testing.B, receivers int, opts mcast.Options) {
	l := newLab(b, receivers+1, opts)
	c, err := l.networks[0].Open(0)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const size = 1448
	limit := mcast.TrainLimit(size)
	trains := []mcast.Train{numbered(0, limit, size, size), numbered(0, limit, size, size)}
	var readers sync.WaitGroup
	counts := make([]int, receivers)
	var all []mcast.Reader
	for i := range receivers {
		r, err := l.networks[i+1].Listen(group, anySource, 0)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, r)
		readers.Go(func() {
			batch := mcast.NewBatch(16)
			for r.Read(batch, time.Time{}) == nil {
				for d := range batch.Datagrams() {
					counts[i] += len(d)
				}
			}
		})
	}
	b.ResetTimer()
	sent := 0
	for b.Loop() {
		if err := c.WriteTrains(group, trains); err != nil {
			b.Fatal(err)
		}
		sent += 2 * limit * size
	}
	took := b.Elapsed()
	overflow := uint64(0)
	for _, r := range all {
		overflow += r.Overflow()
		r.Close()
	}
	readers.Wait()
	got := 0
	for _, n := range counts {
		got += n
	}
	b.ReportMetric(float64(got)/float64(receivers)/1e6/took.Seconds(), "MB/s/receiver")
	b.ReportMetric(100-100*float64(got)/float64(receivers)/float64(sent), "%lost")
	b.ReportMetric(float64(overflow)/float64(receivers), "overflow")
	b.ReportMetric(float64(sent)/1e6/took.Seconds(), "MB/s/sent")
}
