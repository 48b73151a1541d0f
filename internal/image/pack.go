package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pxecast/pxecast/internal/image/source"
	"golang.org/x/sys/unix"
)

// PackOptions say how to pack; the zero value is good.
type PackOptions struct {
	Level    Level
	Progress func(Progress) // may be nil; called at most ten times a second and at the end
	workers  int            // 0: one for each core
}

// Pack packs the image at input, standard input for "-", in any form that
// package source reads, into the file output, and opens it. The same content
// gives the same packed image, byte for byte, whatever its form.
//
// output gets its name only when it is complete and durable; on any error, and
// when ctx is done, nothing is left of it and an earlier file stays.
func Pack(ctx context.Context, input, output string, opts PackOptions) (*Packed, error) {
	in, err := source.Open(input)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if output, err = checkOutput(in, output); err != nil {
		return nil, err
	}
	out, err := newOutput(output, 0o666)
	if err != nil {
		return nil, err
	}
	return packTo(ctx, in, out, output, opts)
}

// packTo packs in into out, commits it to path and opens it.
func packTo(ctx context.Context, in *source.Input, out *output, path string, opts PackOptions) (_ *Packed, err error) {
	defer func() {
		if err != nil {
			out.discard()
		}
	}()
	if err := packInto(ctx, in, out.file, filepath.Dir(path), opts); err != nil {
		return nil, err
	}
	if err := out.commit(path); err != nil {
		return nil, spaceError(err, in.Name(), filepath.Dir(path), 0, 0)
	}
	return openFile(out.file, path)
}

// checkOutput refuses an output that cannot be one, before an hour is spent on
// making it, and returns where a symbolic link leads.
func checkOutput(in *source.Input, output string) (string, error) {
	if target, err := filepath.EvalSymlinks(output); err == nil {
		output = target
	}
	st, err := os.Stat(output)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(output)); err != nil {
			return "", fmt.Errorf("output %s: %w: create its folder first", output, errors.Unwrap(err))
		}
		return output, nil
	case err != nil:
		return "", fmt.Errorf("output %s: %w", output, errors.Unwrap(err))
	case st.IsDir():
		return "", fmt.Errorf("output %s is a directory: name a file in it", output)
	case !st.Mode().IsRegular():
		return "", fmt.Errorf("output %s is not a regular file: name one", output)
	}
	if f := in.File(); f != nil {
		if ist, err := f.Stat(); err == nil && os.SameFile(st, ist) {
			return "", fmt.Errorf("output %s is the image itself: name another file", output)
		}
	}
	return output, nil
}

// packInto writes the packed image of in to f. dir is where f and temporary
// files are.
func packInto(ctx context.Context, in *source.Input, f *os.File, dir string, opts PackOptions) error {
	src, err := in.Decode(ctx, func() (*os.File, error) { return newScratch(dir) })
	if err != nil {
		return spaceError(err, in.Name(), dir, 0, 0)
	}
	defer src.Close()
	n := opts.workers
	if n == 0 {
		n = workers()
	}
	out := newPacker(f)
	p := newPipeline(src, in.Name(), out, n, opts.Progress)
	if err := p.run(ctx, n, opts.Level); err != nil {
		at := p.progress()
		return spaceError(err, in.Name(), dir, out.written, estimate(at))
	}
	if err := in.Unchanged(); err != nil {
		return err
	}
	if _, err := out.finish(); err != nil {
		return spaceError(err, in.Name(), dir, out.written, out.written)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	end := p.progress()
	end.InBytes = max(end.InBytes, end.InTotal)
	p.meter.finish(end)
	return nil
}

// estimate returns about how many bytes the packed image will have, 0 when the
// size of the input is unknown.
func estimate(p Progress) int64 {
	if p.InBytes == 0 || p.InTotal == 0 {
		return 0
	}
	return int64(float64(p.PackedBytes) / float64(p.InBytes) * float64(p.InTotal))
}

// spaceError explains a full disk; other errors pass. written and need are
// bytes, 0 when unknown.
func spaceError(err error, name, dir string, written, need int64) error {
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	sizes := ""
	if written > 0 {
		sizes = fmt.Sprintf(" after %d MiB", written>>20)
	}
	if need > written {
		sizes += fmt.Sprintf(" of about %d MiB", need>>20)
	}
	return fmt.Errorf("no room in %s to pack image %s%s: free some, or choose a folder with more room (--output, %s): %w",
		dir, name, sizes, CacheVariable, err)
}
