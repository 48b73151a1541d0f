package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// apart runs each script on the loopback of a network namespace of its own, where
// they may be root; else on the machine's, one after the other: they would hear
// each other.
type apart struct{ *testing.T }

func (a apart) Verbose() bool { return testing.Verbose() }

func (a apart) Parallel() {
	if os.Geteuid() != 0 {
		return
	}
	a.T.Parallel()
	// The thread is this test's for good and ends with it. Programs that it
	// starts are where it is.
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		a.Fatalf("a network namespace for the script: %v", err)
	}
	if err := raiseLoopback(); err != nil {
		a.Fatalf("the loopback of the script's network namespace: %v", err)
	}
}

func (a apart) Run(name string, f func(testscript.T)) {
	a.T.Run(name, func(t *testing.T) { f(apart{t}) })
}

func raiseLoopback() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	r, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, r)
}

// endAll ends every process whose environment has this line, as those have that
// a script started: it may have failed before it came to end them itself.
func endAll(variable string) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range all {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+variable+"\x00")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL) // it may have ended meanwhile
		}
	}
}
