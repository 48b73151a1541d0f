package lane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"golang.org/x/sync/errgroup"
)

const (
	// parallel is how many TFTP transfers a Client has at a time: each waits for
	// the other side after each 1468 bytes.
	parallel = 6
	// attempts is how often a transfer is begun that brings no frame.
	attempts = 3
)

// TFTPManifest fetches the manifest of image id, of size bytes, by TFTP.
func (c *Client) TFTPManifest(ctx context.Context, at netip.AddrPort, id image.ID, size int) ([]byte, error) {
	if size < 1 || size > protocol.MaxManifest {
		return nil, fmt.Errorf("manifest of %d bytes: it has 1 to %d", size, protocol.MaxManifest)
	}
	var b []byte
	err := c.again(ctx, at, func() (bool, error) {
		w := &bounded{b: make([]byte, 0, size)}
		err := c.transfer(ctx, at, name{id: id, kind: manifestKind}, int64(size), w)
		if err == nil && len(w.b) < size {
			err = &Fault{Did: Garbled, Err: fmt.Errorf("%d bytes instead of %d", len(w.b), size)}
		}
		b = w.b
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// bounded takes as much as b has room for.
type bounded struct{ b []byte }

func (w *bounded) Write(p []byte) (int, error) {
	if len(p) > cap(w.b)-len(w.b) {
		return 0, &Fault{Did: TooLong, Err: fmt.Errorf("more than the %d bytes that there are", cap(w.b))}
	}
	w.b = append(w.b, p...)
	return len(p), nil
}

// TFTPBlocks fetches the packed frames of the data blocks among first..last, both
// included, by TFTP: several rows of them at a time. each gets every frame once,
// in any order, one at a time; frame is its own until it returns. Its error ends
// the call, which waits for it: it should not outlive ctx. A row that fails goes on
// behind the last frame that came; when it has failed three times without one, the
// call ends with its error, and each has got some of the frames.
func (c *Client) TFTPBlocks(ctx context.Context, at netip.AddrPort, id image.ID, first, last protocol.SBN,
	m *image.Manifest, each func(s protocol.SBN, frame []byte) error) error {
	if first > last || int64(last) >= int64(m.Blocks()) {
		return fmt.Errorf("blocks %d to %d of an image of %d", first, last, m.Blocks())
	}
	var mu sync.Mutex
	var failed error // of each, guarded by mu
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	one := func(s protocol.SBN, frame []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if err := context.Cause(inner); failed == nil && err != nil {
			failed = err
		}
		if failed == nil {
			failed = each(s, frame)
		}
		return failed
	}
	for _, p := range pieces(m, first, last) {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error { return c.fetchPiece(inner, at, id, p, m, one) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// fetchPiece fetches the frames of one row.
func (c *Client) fetchPiece(ctx context.Context, at netip.AddrPort, id image.ID, p piece, m *image.Manifest,
	each func(protocol.SBN, []byte) error) error {
	next, to := indexes(m, p.first, p.last)
	return c.again(ctx, at, func() (bool, error) {
		from := next
		n := name{id: id, kind: blocksKind, first: m.SBN(from), last: p.last}
		var size int64
		for i := from; i < to; i++ {
			size += int64(m.FrameLen(i))
		}
		cut := &cutter{m: m, each: each, next: from, to: to}
		err := c.transfer(ctx, at, n, size, cut)
		next = cut.next
		switch {
		case next == to:
			return true, nil // even if the end of the transfer did not come
		case err == nil:
			err = &Fault{Did: Garbled, Err: fmt.Errorf("it ended within block %d", m.SBN(next))}
		}
		return next > from, err
	})
}

// again calls try until it succeeds, as long as what went wrong may go well
// next time and it does not fail too often without getting on.
func (c *Client) again(ctx context.Context, at netip.AddrPort, try func() (on bool, err error)) error {
	for left := attempts; ; {
		on, err := try()
		if err == nil {
			return nil
		}
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		f, ok := errors.AsType[*Fault](err)
		if !ok {
			return err
		}
		f.Peer, f.TFTP = at, true
		if left--; on {
			left = attempts
		}
		if left == 0 || f.Did == Lacks || f.Did == TooLong || f.Did == Busy {
			return f
		}
	}
}
