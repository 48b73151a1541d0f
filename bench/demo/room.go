package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/lab"
)

// spare is how much larger than the image the target disks are: the second GPT
// of a new disk then is not where the image has its own.
const spare = 64 << 20

// room is the sender and the machines with their disks.
type room struct {
	program string
	disk    disks.Disk
	lab     *lab.Lab
	targets []*lab.Loop
	folder  string // keys, packed image, logs
}

func newRoom(ctx context.Context, program string, image disks.Disk, o options) (*room, error) {
	r := &room{program: program, disk: image}
	var err error
	if r.folder, err = workFolder(); err != nil {
		return nil, err
	}
	if r.lab, err = network(ctx, o); err != nil {
		return nil, errors.Join(err, r.close())
	}
	fmt.Printf("network %d machines on one bridge, each losing %g %% of what is sent to it\n", o.receivers, o.loss)
	for range o.receivers {
		loop, err := r.newTarget()
		if err != nil {
			return nil, errors.Join(err, r.close())
		}
		r.targets = append(r.targets, loop)
	}
	return r, nil
}

// newTarget makes an empty disk. Its file has lost its name before anything is
// written, so that its space is free again as soon as nobody uses it.
func (r *room) newTarget() (*lab.Loop, error) {
	f, err := os.CreateTemp(r.folder, "disk-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	size := r.disk.RawSize + spare
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return nil, err
	}
	// Each disk that exists already has promised to grow to its full size.
	if promised := size * int64(len(r.targets)+1); int64(fs.Bavail)*fs.Bsize < promised {
		return nil, fmt.Errorf("%s has no room for disks of %d MiB in all (TMPDIR chooses another place)", r.folder, promised>>20)
	}
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	return lab.AttachLoop(f.Name(), 0)
}

// workFolder makes a folder that bears our pid, after removing those of demos
// that were killed.
func workFolder() (string, error) {
	const name = "pxecast-demo-"
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), name+"*"))
	for _, dir := range old {
		pid := strings.TrimPrefix(filepath.Base(dir), name)
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(dir)
		}
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("%s%d", name, os.Getpid()))
	return dir, os.Mkdir(dir, 0o700)
}

func (r *room) close() error {
	var err error
	if r.lab != nil {
		err = r.lab.Close() // first: it ends the users of the disks
	}
	for _, t := range r.targets {
		err = errors.Join(err, t.Close())
	}
	return errors.Join(err, os.RemoveAll(r.folder))
}

// command prepares pxecast on a host, with its keys and its cache in our folder
// and not among the user's own.
func (r *room) command(ctx context.Context, h *lab.Host, args ...string) *exec.Cmd {
	cmd := h.Command(ctx, r.program, args...)
	cmd.Env = append(os.Environ(), "PXECAST_KEY="+filepath.Join(r.folder, "key"), "PXECAST_CACHE="+filepath.Join(r.folder, "cache"))
	return cmd
}

// image sends the image, waits for all, and compares.
func (r *room) image(ctx context.Context) error {
	key, err := r.publicKey(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	failures := make([]error, len(r.targets))
	for i, t := range r.targets {
		args := []string{"receive", "--disk", t.Path(), "--trust", key, "--yes", "--verify", "--interface", lab.Interface}
		cmd := r.command(ctx, r.lab.Host(1+i), args...)
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if i == 0 {
			fmt.Println("run     pxecast", strings.Join(args, " "), "   (on the first machine)")
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		wg.Go(func() {
			if err := cmd.Wait(); err != nil {
				failures[i] = fmt.Errorf("%s: %w:\n%s", r.lab.Host(1+i).Name(), err, tail(said.String()))
			}
		})
	}
	args := []string{"send", r.disk.Path, "--interface", lab.Interface, "--min-receivers", fmt.Sprint(len(r.targets)), "--max-wait", "1m"}
	send := r.command(ctx, r.lab.Host(0), args...)
	send.Stdout, send.Stderr = os.Stdout, os.Stderr
	fmt.Println("run     pxecast", strings.Join(args, " "))
	fmt.Println()
	if err := send.Run(); err != nil {
		cancel() // the machines would wait for another sender
		wg.Wait()
		return errors.Join(append([]error{fmt.Errorf("pxecast send: %w", err)}, failures...)...)
	}
	wg.Wait()
	if err := errors.Join(failures...); err != nil {
		return err
	}
	return r.compare()
}

func (r *room) publicKey(ctx context.Context) (string, error) {
	cmd := r.command(ctx, r.lab.Host(0), "key", "--json")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("pxecast key: %w", err)
	}
	var key struct {
		Public string `json:"public_key"`
	}
	if err := json.Unmarshal(out, &key); err != nil || key.Public == "" {
		return "", fmt.Errorf("pxecast key --json said %q (%v)", out, err)
	}
	return key.Public, nil
}

// tail returns the last lines of a program's output, which may repaint a line
// by carriage returns.
func tail(s string) string {
	lines := strings.FieldsFunc(s, func(c rune) bool { return c == '\n' || c == '\r' })
	return "    " + strings.Join(lines[max(0, len(lines)-10):], "\n    ")
}
