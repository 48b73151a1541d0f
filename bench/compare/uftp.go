package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
)

// uftp sends the raw image, as fast as the interface allows (-R -1) where the CPU
// is what binds, at the wire's rate where that is; both were its fastest here,
// its congestion control and lower rates slower. Datagrams are as large as its
// manual allows, buffers as large as the machine does, and the round trip that it
// starts from is that of a LAN.
//
// Its receiver is a daemon: it ends, for us, when its status file says that it
// has the file. It lives on until the sender has ended: the status comes before
// the session's end, and a daemon that is ended inside a session removes the file.
// Its -t and -T, which write elsewhere and move the file, are not used: it
// truncates the target and writes it in place.
type uftp struct{}

// uftpRate is the part of the wire that -R is told, which counts no Ethernet
// headers.
const uftpRate = 0.975

func (uftp) Name() string { return report.Uftp }

func (uftp) Timed() string {
	return "sender started to receiver has the file; the raw image is unpacked beforehand, its gunzip not counted"
}

func (uftp) Restores() bool { return true }

func (u uftp) send(s Scenario) []string {
	var hosts []string
	for i := range s.Targets {
		hosts = append(hosts, uftpID(i))
	}
	rate := "-1"
	if s.RateMbit > 0 {
		rate = fmt.Sprintf("%.0f", s.RateMbit*1000*uftpRate)
	}
	return []string{"uftp", "-R", rate, "-b", "1400", "-B", "4000000", "-r", "0.02:0.01:0.5", "-I", lab.Interface,
		"-H", strings.Join(hosts, ","), "-D", filepath.Base(s.Targets[0]), s.Files.Raw}
}

func (u uftp) receive(i int, target string) []string {
	return []string{"uftpd", "-d", "-q", "-B", "4000000", "-I", lab.Interface, "-U", uftpID(i),
		"-D", filepath.Dir(target), "-F", "/dev/stdout"}
}

// uftpID names a receiver for the sender's list, with which it need not wait for
// others that may come.
func uftpID(i int) string { return fmt.Sprintf("0x%08X", i+1) }

func (u uftp) CommandLines(s Scenario) []string {
	return []string{s.typed(u.send(s)), s.typed(u.receive(0, s.Targets[0]))}
}

func (u uftp) Run(ctx context.Context, l *lab.Lab, s Scenario) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var receive []*process
	for i, target := range s.Targets {
		p := newProcess(ctx, l, 1+i, u.receive(i, target))
		p.done = newMarker("RESULT;")
		receive = append(receive, p)
	}
	return perform(ctx, cancel, newProcess(ctx, l, 0, u.send(s)), receive)
}
