package source

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// countingReader counts what is read of the input and names it in errors.
type countingReader struct {
	r    io.Reader
	n    *atomic.Int64
	name string
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF && err != context.Canceled && err != context.DeadlineExceeded {
		err = &readError{fmt.Errorf("read %s: %w", c.name, err)}
	}
	return n, err
}

// readError marks a failure of the input itself, which says nothing about the
// compressed data in it.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// contextReader fails once ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// pollReader reads a pipe, socket or terminal such that ctx ends a read that
// waits for data: a plain read of standard input cannot be interrupted.
type pollReader struct {
	ctx  context.Context
	fd   int
	wake int // eventfd, readable once ctx is done
	stop func() bool
}

func newPollReader(ctx context.Context, fd int) (*pollReader, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	p := &pollReader{ctx: ctx, fd: fd, wake: wake}
	fired := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(fired)
		unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	})
	p.stop = func() bool {
		if cancel() {
			return true
		}
		<-fired // the eventfd must outlive the write to it
		return false
	}
	return p, nil
}

func (p *pollReader) Read(b []byte) (int, error) {
	for {
		if err := p.ctx.Err(); err != nil {
			return 0, err
		}
		fds := []unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}, {Fd: int32(p.wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil {
			if err == unix.EINTR {
				continue
			}
			return 0, err
		}
		if fds[0].Revents == 0 {
			continue
		}
		n, err := unix.Read(p.fd, b)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return 0, err
		case n == 0 && len(b) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func (p *pollReader) close() {
	p.stop()
	unix.Close(p.wake)
}
