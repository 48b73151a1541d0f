package menu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/screen"
)

const (
	scriptTime  = 10 * time.Minute // for scripts whose time nobody bounded
	keptLineLen = 200              // bytes of each line that a program says
)

// tail keeps the last lines of a program's output.
type tail struct{ lines []string }

func (t *tail) add(line string) {
	line = strings.TrimRight(screen.Safe(strings.ToValidUTF8(line, "?")), " ")
	if len(line) > keptLineLen {
		line = strings.ToValidUTF8(line[:keptLineLen], "")
	}
	if t.lines = append(t.lines, line); len(t.lines) > catalog.MaxLines {
		t.lines = t.lines[1:]
	}
}

// text returns the end of the output, as much as an event takes.
func (t *tail) text() string {
	s := strings.Join(t.lines, "\n")
	if over := len(s) - catalog.MaxText; over > 0 {
		s = strings.ToValidUTF8(s[over:], "")
	}
	return s
}

// scriptError is why a script does not count as done.
type scriptError struct {
	text string
	exit int
}

func (e *scriptError) Error() string { return e.text }

// runScript runs a script's bytes as root, in a group of processes of its own that
// does not outlive it, for as long as within allows. Each line that it writes
// goes to said; out gets them too. The exit status is -1 for one that was killed.
func runScript(ctx context.Context, dir, name string, script []byte, within time.Duration, env []string, out *tail, said func()) (exit int, err error) {
	if within <= 0 {
		within = scriptTime
	}
	folder, err := os.MkdirTemp(dir, name+"-")
	if err != nil {
		return -1, fmt.Errorf("no room for the %s script: %w", name, err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, script, 0o700); err != nil {
		return -1, fmt.Errorf("no room for the %s script: %w", name, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer r.Close()
	timed, stop := context.WithTimeout(ctx, within)
	defer stop()
	cmd := exec.Command(path)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = folder, env, w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = start(cmd)
	w.Close()
	if err != nil {
		return -1, fmt.Errorf("the %s script can't be started: %w: does the ramdisk have the interpreter that its first line names?", name, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		readLines(r, func(line string) { out.add(line); said() })
	}()
	err = waitGroup(timed, cmd)
	// What left the group may hold the pipe open for as long as it likes.
	r.SetReadDeadline(time.Now().Add(time.Second))
	<-read
	exit = cmd.ProcessState.ExitCode()
	switch {
	case ctx.Err() != nil:
		return exit, context.Cause(ctx)
	case timed.Err() != nil:
		return exit, &scriptError{fmt.Sprintf("the %s script did not end within %s and was killed", name, screen.Duration(within)), exit}
	case exit > 0:
		return exit, &scriptError{fmt.Sprintf("the %s script failed with exit status %d", name, exit), exit}
	case err != nil:
		return exit, &scriptError{fmt.Sprintf("the %s script ended by itself: %v", name, err), exit}
	}
	return exit, nil
}

// start starts a file that was just written. A child that another thread forked
// meanwhile may hold it open for writing until it execs (ETXTBSY).
func start(cmd *exec.Cmd) (err error) {
	for range 50 {
		if err = cmd.Start(); !errors.Is(err, syscall.ETXTBSY) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// waitGroup waits for a process until ctx ends, and leaves none of its group.
func waitGroup(ctx context.Context, cmd *exec.Cmd) error {
	killed := context.AfterFunc(ctx, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	killed()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return err
}

// readLines hands on each line of r, also those that a carriage return ends, as
// progress bars have them; overlong ones in pieces.
func readLines(r io.Reader, each func(string)) {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 4096), 4096)
	s.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		for i, c := range data {
			if c == '\n' || c == '\r' {
				return i + 1, data[:i], nil
			}
		}
		if len(data) >= 2048 || atEOF && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	for s.Scan() {
		if s.Text() != "" {
			each(s.Text())
		}
	}
}
