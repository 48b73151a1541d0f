package main

import (
	"context"
	"fmt"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// udpcast sends the raw image, or with zstd an image that was compressed
// beforehand, at level 9, and that every receiver pipes through zstd -dc: the
// sender then spends no time on compression, as pxecast doesn't with a packed
// image, and a smaller file is the better one.
//
// Full-duplex is what its manual recommends for switches, and the larger receive
// buffer too; both were faster here than without. --exit-wait is for a network
// that loses the receivers' answers, which the lab never does.
type udpcast struct{ zstd bool }

func (u udpcast) Name() string {
	if u.zstd {
		return report.UdpcastZstd
	}
	return report.Udpcast
}

func (u udpcast) Timed() string {
	if u.zstd {
		return "sender started to receiver ended; the image is compressed beforehand, by zstd -T0 -9, which is not counted"
	}
	return "sender started to receiver ended; the raw image is unpacked beforehand, its gunzip not counted"
}

func (udpcast) Restores() bool { return true }

func (u udpcast) send(s Scenario) []string {
	file := s.Files.Raw
	if u.zstd {
		file = s.Files.Zstd
	}
	return []string{"udp-sender", "--file", file, "--interface", lab.Interface, "--full-duplex",
		"--min-receivers", fmt.Sprint(s.Receivers), "--nokbd", "--no-progress"}
}

func (u udpcast) receive(target string) []string {
	args := []string{"udp-receiver", "--file", target, "--interface", lab.Interface, "--rcvbuf", "4000000",
		"--exit-wait", "50", "--nokbd", "--no-progress"}
	if u.zstd {
		args = append(args, "--pipe", "zstd -dc")
	}
	return args
}

func (u udpcast) CommandLines(s Scenario) []string {
	return []string{s.typed(u.send(s)), s.typed(u.receive(s.Targets[0]))}
}

func (u udpcast) Run(ctx context.Context, l *lab.Lab, s Scenario) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var receive []*process
	for i, target := range s.Targets {
		receive = append(receive, newProcess(ctx, l, 1+i, u.receive(target)))
	}
	return perform(ctx, cancel, newProcess(ctx, l, 0, u.send(s)), receive)
}
