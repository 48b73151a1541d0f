package lab_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
)

// eventually polls until ok, at most 20 s: what it waits for happens in other
// processes, which send no event.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still waiting after 20 s: %s", what)
		}
	}
}

func namespaceExists(name string) bool {
	_, err := os.Stat("/run/netns/" + name)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestKilledUserLeavesNothing(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	disk := sparse(t, 1<<20)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+disk)
	stdin, err := cmd.StdinPipe() // held open: the child must not end by itself
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	var ns0, ns1, loop string
	var pid int
	if _, serr := fmt.Sscan(line, &ns0, &ns1, &loop, &pid); err != nil || serr != nil {
		cmd.Process.Kill()
		t.Fatalf("child said %q: %v", line, errors.Join(err, serr))
	}
	backing := filepath.Join("/sys/block", filepath.Base(loop), "loop/backing_file")
	if b, _ := os.ReadFile(backing); strings.TrimSpace(string(b)) != disk {
		t.Errorf("before the kill: %s has %q behind it, want %s", loop, b, disk)
	}
	if !namespaceExists(ns0) || !namespaceExists(ns1) {
		t.Error("before the kill: namespaces are missing")
	}

	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	eventually(t, "namespaces go away", func() bool { return !namespaceExists(ns0) && !namespaceExists(ns1) })
	eventually(t, "the program in the host is killed", func() bool {
		return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || zombie(pid)
	})
	eventually(t, "the loop device is detached", func() bool {
		b, _ := os.ReadFile(backing)
		return strings.TrimSpace(string(b)) != disk
	})
}

// zombie tells whether the process is dead and only waits for its new parent.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestNewSweepsWhatTheDeadLeft(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	// A pid of a process that has ended, and a name that is alive: our own.
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	dead := fmt.Sprintf("pxelab-%d-1-1-h0", ended.Process.Pid)
	reused := fmt.Sprintf("pxelab-%d-1-1-h0", os.Getpid()) // right pid, wrong start time
	for _, ns := range []string{dead, reused} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Cleanup(func() { exec.Command("ip", "netns", "del", ns).Run() })
	}
	first := labtest.New(t, lab.Config{Hosts: 1})
	if namespaceExists(dead) || namespaceExists(reused) {
		t.Error("leftovers of dead processes survived New")
	}
	labtest.New(t, lab.Config{Hosts: 1})
	if !namespaceExists(first.Host(0).Namespace()) {
		t.Error("a second lab swept away the first one of a living process")
	}
}

func TestContextEndsTheLab(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, err := lab.New(ctx, lab.Config{Hosts: 1})
	if err != nil {
		t.Fatal(err)
	}
	cmd := l.Host(0).Command(context.Background(), "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := cmd.Wait(); err == nil {
		t.Error("a program in the host ended by itself, want killed")
	}
	if err := l.Close(); err != nil { // waits for the closing that cancel began
		t.Error(err)
	}
	if namespaceExists(l.Host(0).Namespace()) {
		t.Error("namespace is still there")
	}
}

func TestCommandKillsItsWholeGroup(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cmd := l.Host(0).Command(ctx, "sh", "-c", "sleep 1000 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var grandchild int
	if _, err := fmt.Fscan(out, &grandchild); err != nil {
		t.Fatal(err)
	}
	cancel()
	_ = cmd.Wait()
	eventually(t, "the grandchild is killed", func() bool {
		return errors.Is(syscall.Kill(grandchild, 0), syscall.ESRCH) || zombie(grandchild)
	})
}

func sparse(t *testing.T, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestLoopDevice(t *testing.T) {
	const size = 1 << 20
	l := labtest.Loop(t, sparse(t, size), 4096)
	if !l.Attached() {
		t.Errorf("%s: not attached", l.Path())
	}
	out, err := exec.Command("blockdev", "--getsize64", "--getss", l.Path()).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); len(got) != 2 || got[0] != fmt.Sprint(size) || got[1] != "4096" {
		t.Errorf("%s has size and sector size %q, want %d 4096", l.Path(), got, size)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	eventually(t, "the loop device is detached", func() bool { return !l.Attached() })
}
