package menu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// sessionWithin is how long a receiver waits for the session that the server says
// is open.
const sessionWithin = time.Minute

// progress is a status of `pxecast receive --json`; docs/json.md has its fields.
type progress struct {
	Event        string  `json:"event"`
	State        string  `json:"state"`
	Error        *string `json:"error"`
	Cause        *string `json:"cause"`
	Kind         string  `json:"kind"` // of a notice
	Text         string  `json:"text"`
	RawBytes     int64   `json:"raw_bytes"`
	BytesWritten int64   `json:"bytes_written"`
	BytesReused  int64   `json:"bytes_reused"`
	Seconds      float64 `json:"seconds"`
	MBPerS       float64 `json:"mb_per_s"`
	PacketsLost  int64   `json:"packets_lost"`
	Lanes        struct {
		Multicast int64 `json:"multicast"`
		Peer      int64 `json:"peer"`
		TFTP      int64 `json:"tftp"`
	} `json:"lanes"`
	Rate            float64  `json:"rate_mb_per_s"`
	SecondsLeft     *float64 `json:"seconds_left"`
	LimitedBy       *string  `json:"limited_by"`
	Waiting         *string  `json:"waiting"`
	SymbolsRepaired int64    `json:"symbols_repaired"`
	BytesChecked    *int64   `json:"bytes_checked"`
	BytesVerified   int64    `json:"bytes_verified"`
	Room            struct {
		Machines int     `json:"machines"`
		Done     int     `json:"done"`
		Failed   int     `json:"failed"`
		Slowest  float64 `json:"slowest"`
	} `json:"room"`
	notice string // the last one
	orphan bool   // the sender has fallen silent
}

// errStopped: somebody at the machine stopped it.
var errStopped = errors.New("stopped by hand: the disk does not boot until an image is put on it again")

// errDisk: the disk failed, or can't be written. Trying again does not help.
var errDisk = errors.New("the disk")

type diskError struct{ text string }

func (e diskError) Error() string        { return e.text }
func (e diskError) Is(target error) bool { return target == errDisk }

// receive runs `pxecast receive` and hands on each status. It returns the last one.
func receive(ctx context.Context, cfg *Config, j *job, address string, each func(progress)) (*progress, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	args := []string{"receive", "--json", "--yes", "--disk", j.disk.Path, "--image", j.image.ID.String(), "--server", host,
		"--trust", j.key.String(), "--max-wait", sessionWithin.String()}
	if j.verify {
		args = append(args, "--verify")
	}
	if j.network.Interface != "" {
		args = append(args, "--interface", j.network.Interface)
	}
	cmd := exec.CommandContext(ctx, cfg.Program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C on a console is not for it
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the receiver can't be started: %w", err)
	}
	words := new(tail)
	var reading sync.WaitGroup
	reading.Go(func() { readLines(stderr, words.add) })
	last := follow(json.NewDecoder(stdout), each)
	io.Copy(io.Discard, stdout) // after what is no JSON: a full pipe would hold it
	reading.Wait()
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return last, context.Cause(ctx)
	case last != nil && last.Event == "done":
		return last, nil
	case last != nil && last.Error != nil && deref(last.Cause) == "disk":
		return last, diskError{*last.Error}
	case last != nil && last.Error != nil:
		return last, errors.New(*last.Error)
	case len(words.lines) > 0:
		return last, errors.New(strings.TrimPrefix(words.lines[len(words.lines)-1], "pxecast: "))
	}
	return last, fmt.Errorf("the receiver ended without a word: %v", err)
}

// follow reads events until there are no more.
func follow(d *json.Decoder, each func(progress)) (last *progress) {
	notice, orphan := "", false
	for {
		var p progress
		if err := d.Decode(&p); err != nil {
			return last
		}
		if p.Event == "notice" {
			notice = p.Text
			orphan = p.Kind == "orphan" || orphan && p.Kind != "restarted" && p.Kind != "back"
			continue
		}
		p.notice, p.orphan = notice, orphan
		if last = &p; p.Event == "status" {
			each(p)
		}
	}
}
