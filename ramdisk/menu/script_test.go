package menu

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/internal/catalog"
)

func runText(t *testing.T, ctx context.Context, script string, within time.Duration) (int, string, error) {
	t.Helper()
	out := new(tail)
	exit, err := runScript(ctx, t.TempDir(), "post", []byte(script), within, []string{"PATH=/usr/bin:/bin", "PXECAST_DISK=/dev/vda"}, out, func() {})
	return exit, out.text(), err
}

func TestScripts(t *testing.T) {
	for _, c := range []struct {
		name, script string
		exit         int
		output, err  string
	}{
		{"goes well", "#!/bin/sh\necho on $PXECAST_DISK\necho and >&2\n", 0, "on /dev/vda\nand", ""},
		{"fails", "#!/bin/sh\necho no\nexit 3\n", 3, "no", "exit status 3"},
		{"last line without an end", "#!/bin/sh\nprintf 'a\\rb'\n", 0, "a\nb", ""},
		{"means harm to a console", "#!/bin/sh\nprintf '\\033[2Jx\\n'\n", 0, " [2Jx", ""},
		{"says much", "#!/bin/sh\nseq 100000\n", 0, seq(99961, 100000), ""},
		{"says long lines", "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\n", 0, "", ""},
		{"kills itself", "#!/bin/sh\nkill -9 $$\n", -1, "", "ended by itself: signal: killed"},
		{"has no interpreter", "#!/no/such\n", -1, "", "can't be started"},
		{"is no program", "hello\n", -1, "", "can't be started"},
	} {
		t.Run(c.name, func(t *testing.T) {
			exit, out, err := runText(t, t.Context(), c.script, time.Minute)
			if exit != c.exit || c.output != "" && out != c.output || len(out) > catalog.MaxText {
				t.Errorf("exit %d, output %q; want %d, %q", exit, out, c.exit, c.output)
			}
			if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
		})
	}
}

func seq(from, to int) string {
	var all []string
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return strings.Join(all, "\n")
}

// A script that hangs is killed with all that it started, and what it said last
// is kept.
func TestScriptThatHangs(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	script := "#!/bin/sh\nsleep 1000 &\necho $! > " + pids + "\necho $$ >> " + pids + "\necho waiting for godot\nwait\n"
	exit, out, err := runText(t, t.Context(), script, 500*time.Millisecond)
	var failed *scriptError
	if exit != -1 || out != "waiting for godot" || !errors.As(err, &failed) || !strings.Contains(err.Error(), "did not end within") {
		t.Errorf("exit %d, output %q, error %v", exit, out, err)
	}
	gone(t, pids)
}

// What a script leaves behind goes with it.
func TestScriptThatLeavesSomethingBehind(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	began := time.Now()
	if exit, _, err := runText(t, t.Context(), "#!/bin/sh\nsleep 1000 &\necho $! > "+pids+"\n", time.Minute); exit != 0 || err != nil {
		t.Errorf("exit %d, %v", exit, err)
	}
	// One that leaves the group keeps the pipe, and holds up nothing.
	if exit, _, err := runText(t, t.Context(), "#!/bin/sh\nsetsid sleep 7 &\n", time.Minute); exit != 0 || err != nil {
		t.Errorf("exit %d, %v", exit, err)
	}
	if d := time.Since(began); d > 6*time.Second {
		t.Errorf("took %v", d)
	}
	gone(t, pids)
}

func TestScriptIsStopped(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { stop(errStopped) })
	if _, _, err := runText(t, ctx, "#!/bin/sh\nsleep 1000\n", time.Minute); !errors.Is(err, errStopped) {
		t.Errorf("%v", err)
	}
}

// gone: none of the processes whose IDs are in the file is there.
func gone(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil || len(b) == 0 {
		t.Fatal(err, "no process")
	}
	for _, word := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		// It can be read when the process has ended, waited for or not.
		n, err := 0, unix.EINTR
		for err == unix.EINTR {
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 5000)
		}
		if n != 1 {
			t.Fatalf("process %d is still there (%v)", pid, err)
		}
	}
}
