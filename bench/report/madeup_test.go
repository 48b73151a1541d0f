package report

import (
	"math"
	"time"
)

// madeUp is a report with figures that are easy to reckon with: the CPU lets a
// sum of 600 MB/s through, of which pxecast uses 80 %, and a rival a twelfth of
// pxecast's.
func madeUp(repetitions int) *Report {
	r := &Report{
		Time:    time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC),
		Machine: Machine{CPU: "AMD EPYC", Cores: 2, MemoryMB: 24000, Kernel: "6.18", System: "Debian 12", Go: "go1.26"},
	}
	for _, image := range []string{Debian, Noise} {
		packed := map[string]int64{Debian: 400e6, Noise: 2000e6}[image]
		for _, n := range []int{1, 4, 8, 16} {
			r.Limits = append(r.Limits, madeUpLimit(image, n))
			s := Scenario{Image: image, Receivers: n, RawBytes: 2000e6, PackedBytes: packed}
			for rep := range repetitions {
				speed := 0.8 * r.Limits[len(r.Limits)-1].MBPerS * (1 + 0.02*float64(rep))
				r.Results = append(r.Results,
					run(s, Pxecast, rep, 2000/speed), run(s, Udpcast, rep, 12*2000/speed),
					run(s, UdpcastZstd, rep, 4*2000/speed), run(s, RawLimit, rep, 2000/speed/3), run(s, Uftp, rep, 15*2000/speed))
			}
		}
	}
	for _, n := range []int{1, 8, 24} {
		for _, loss := range []float64{0, 1, 10} {
			s := Scenario{Image: Noise, Receivers: n, RateMbit: 200, LossPercent: loss, RawBytes: 600e6, PackedBytes: 600e6}
			for rep := range repetitions {
				grow := 1 + 0.02*loss + 0.001*float64(rep)
				r.Results = append(r.Results, run(s, Pxecast, rep, 24*1.06*grow), run(s, Udpcast, rep, 24*(1.5+math.Log2(float64(n))/5)*grow))
				lost := run(s, Uftp, rep, 24*1.7*grow)
				if loss == 10 {
					lost = Result{Scenario: s, Contender: Uftp, Repetition: rep, Commands: lost.Commands, Timed: lost.Timed, Error: "exit status 1: client gave up:\nno answer"}
				}
				r.Results = append(r.Results, lost)
			}
		}
	}
	return r
}

func madeUpLimit(image string, n int) Limit {
	l := Limit{Image: image, Receivers: n, Cores: 2, Stages: []Stage{
		{StageSend, 1, 0.1, 0.05}, {StageReceive, n, 0.2, 0.05}, {StageDecode, n, 0.4, 0.01}, {StageDigest, n, 0.3, 0}, {StageWrite, n, 0.1, 0.3}}}
	l.MBPerS = 2 / (0.1 + float64(n)) * 1000
	return l
}

// run is a run in which the clients take these seconds and 0.1 % more for each.
func run(s Scenario, contender string, rep int, seconds float64) Result {
	res := Result{Scenario: s, Contender: contender, Repetition: rep, Commands: []string{contender + " send", contender + " receive"},
		Timed: "all of it", Sender: Usage{0.1, 0.5, 50e6}, WireBytes: s.PackedBytes + s.PackedBytes/20}
	for i := range s.Receivers {
		res.Clients = append(res.Clients, Client{Seconds: seconds * (1 + 0.001*float64(i)), Usage: Usage{1.5, 0.5, 90e6}})
	}
	return res
}
