package ramdisk

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// command prepares a tool. It dies with us, and everything that it starts dies
// with it when ctx ends; what it mounts vanishes with it too.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// inRoot prepares a program of the unstripped root, to run there.
func inRoot(ctx context.Context, root, name string, args ...string) *exec.Cmd {
	cmd := command(ctx, name, args...)
	// Found in the root, not on this machine.
	cmd.Path, cmd.Err = name, nil
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8"}
	cmd.Dir = "/"
	cmd.SysProcAttr.Chroot = root
	return cmd
}

// output runs cmd and returns what it wrote; its error is one line, with what
// the tool said last.
func output(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	var out, said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w%s", cmd.Args[0], err, lastWords(said.String()))
	}
	return out.Bytes(), nil
}

// lastWords returns, for the end of an error, the line in which a tool said what
// is wrong.
func lastWords(said string) string {
	last := ""
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "E: ") {
			return ": " + strings.TrimPrefix(line, "E: ")
		}
		if line != "" {
			last = ": " + line
		}
	}
	return last
}
