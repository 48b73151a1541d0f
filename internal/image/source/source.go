// Package source reads disk images in every form that users have them in and
// hands out the raw bytes of the disk: raw, gzip, xz, zstd, bzip2, qcow2, vmdk
// and vhdx, from a file, a block device, a pipe or standard input. The form is
// told by content, never by name.
//
// A form that is damaged anywhere (truncated, altered, followed by garbage) is
// an error: io.EOF from a Stream means that every checksum of the input held.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Stdin is the path that stands for standard input.
const Stdin = "-"

// An Input is an opened image file in whatever form.
type Input struct {
	name   string
	file   *os.File
	stream bool // pipe, socket, terminal: read once, in order
	stat   unix.Stat_t
	size   int64 // bytes of the input, 0 for a stream
	path   string
	stdin  bool
}

// An Identity recognises a file that was seen before. Two equal identities
// mean the same content, as far as a file system can tell.
type Identity struct {
	Path          string // absolute, symbolic links resolved
	Size          int64  // bytes
	ModTime       int64  // ns since 1970
	Inode, Device uint64
}

// Open opens the image at path, or standard input for [Stdin]. It refuses
// directories, character devices and empty files.
func Open(path string) (*Input, error) {
	in := &Input{name: path, path: path}
	fd := 0
	if path == Stdin {
		in.name, in.stdin = "standard input", true
		in.file = os.Stdin
	} else {
		var err error
		// O_NONBLOCK: opening a FIFO must not wait for its writer, where
		// nothing could cancel it.
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != nil {
			return nil, openError(path, err)
		}
		if err := unix.SetNonblock(fd, false); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		in.file = os.NewFile(uintptr(fd), path)
	}
	if err := in.classify(fd); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func openError(path string, err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.ENOENT):
		hint = ": check the path"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		hint = ": run as a user who may read it"
	}
	return fmt.Errorf("open image %s: %w%s", path, err, hint)
}

// classify finds out what kind of file it is and how large.
func (in *Input) classify(fd int) error {
	if err := unix.Fstat(fd, &in.stat); err != nil {
		return fmt.Errorf("open image %s: %w", in.name, err)
	}
	switch in.stat.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return fmt.Errorf("image %s is a directory: name an image file", in.name)
	case unix.S_IFREG:
		if in.stdin {
			if at, err := unix.Seek(fd, 0, io.SeekCurrent); err != nil || at != 0 {
				in.stream = true // someone has read part of it: go on from there
				return nil
			}
		}
		in.size = in.stat.Size
	case unix.S_IFBLK:
		size, err := in.file.Seek(0, io.SeekEnd)
		if err != nil {
			return fmt.Errorf("size of image device %s: %w", in.name, err)
		}
		in.size = size
	case unix.S_IFIFO, unix.S_IFSOCK:
		in.stream = true
		return nil
	default:
		return in.classifyCharacter(fd)
	}
	if in.size == 0 {
		return errEmpty(in.name)
	}
	return nil
}

// classifyCharacter accepts a character device as standard input only: with
// /dev/null there is an answer, /dev/zero as an image has no end.
func (in *Input) classifyCharacter(fd int) error {
	if !in.stdin {
		return fmt.Errorf("image %s is a character device: name an image file or a block device", in.name)
	}
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		return errors.New("standard input is a terminal: pipe an image into it, or name a file")
	}
	in.stream = true
	return nil
}

func errEmpty(name string) error {
	return fmt.Errorf("image %s is empty: there is nothing to write to a disk", name)
}

// Name returns how messages call the input.
func (in *Input) Name() string { return in.name }

// Stat returns what fstat said when the input was opened.
func (in *Input) Stat() *unix.Stat_t { return &in.stat }

// File returns the open file of a regular input, for positioned reads only;
// nil for anything else.
func (in *Input) File() *os.File {
	if in.stream || in.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	return in.file
}

// Identity returns what recognises the input on another day. ok is false for
// what cannot be recognised: devices, pipes and standard input.
func (in *Input) Identity() (id Identity, ok bool) {
	if in.stdin || in.File() == nil {
		return Identity{}, false
	}
	path, err := filepath.Abs(in.path)
	if err != nil {
		return Identity{}, false
	}
	if p, err := filepath.EvalSymlinks(path); err == nil {
		path = p
	}
	return Identity{
		Path: path, Size: in.stat.Size, ModTime: in.stat.Mtim.Nano(),
		Inode: in.stat.Ino, Device: uint64(in.stat.Dev),
	}, true
}

// Unchanged returns an error when a regular file has been written to since it
// was opened: what was read of it is then a mixture.
func (in *Input) Unchanged() error {
	if in.File() == nil {
		return nil
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(in.file.Fd()), &now); err != nil {
		return fmt.Errorf("image %s: %w", in.name, err)
	}
	if now.Size != in.stat.Size || now.Mtim != in.stat.Mtim {
		return fmt.Errorf("image %s changed while it was read: wait until it is complete and try again", in.name)
	}
	return nil
}

// Close closes the input; standard input stays open.
func (in *Input) Close() error {
	if in.stdin {
		return nil
	}
	return in.file.Close()
}

// A Source is the raw content of an image: exactly one of Raw and Stream is
// not nil.
type Source struct {
	Raw    *Raw      // positioned reads, holes known
	Stream io.Reader // in order; io.EOF only after the whole input was found sound
	Size   int64     // bytes of the input as it is stored, 0 when unknown

	read    *atomic.Int64
	cancel  context.CancelFunc
	closers []func() // run in reverse
}

// Consumed returns how many of Size bytes a Stream has read so far.
func (s *Source) Consumed() int64 { return s.read.Load() }

// Interrupt makes a read of Stream that waits for data fail, and all after it.
func (s *Source) Interrupt() { s.cancel() }

// Close frees what decoding needed. The Input stays open.
func (s *Source) Close() {
	s.cancel() // decoders that read ahead must not wait for more
	for _, c := range slices.Backward(s.closers) {
		c()
	}
}

// Decode recognises the form of the input and prepares to read its raw
// content. scratch makes an empty unnamed file; it is called only for forms
// that need one (qcow2, vmdk, vhdx). Reads fail once ctx is done.
func (in *Input) Decode(ctx context.Context, scratch func() (*os.File, error)) (*Source, error) {
	s := &Source{Size: in.size, read: new(atomic.Int64)}
	ctx, s.cancel = context.WithCancel(ctx)
	head, r, err := in.head(ctx, s)
	if err == nil {
		err = in.decode(ctx, s, head, r, scratch)
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// head returns the first bytes of the input and a reader of all of it.
func (in *Input) head(ctx context.Context, s *Source) ([]byte, io.Reader, error) {
	var r io.Reader
	if in.stream {
		p, err := newPollReader(ctx, int(in.file.Fd()))
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", in.name, err)
		}
		s.closers = append(s.closers, p.close)
		r = p
	} else {
		unix.Fadvise(int(in.file.Fd()), 0, 0, unix.FADV_SEQUENTIAL)
		r = &contextReader{ctx, io.NewSectionReader(in.file, 0, in.size)}
	}
	r = &countingReader{r: r, n: s.read, name: in.name}
	head, err := peek(r)
	if err != nil {
		return nil, nil, err
	}
	if len(head) == 0 {
		return nil, nil, errEmpty(in.name)
	}
	return head, io.MultiReader(bytes.NewReader(head), r), nil
}

// peek reads the head of r; a shorter head means that r ended.
func peek(r io.Reader) ([]byte, error) {
	head := make([]byte, headSize)
	n, err := io.ReadFull(r, head)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return head[:n], err
}

func (in *Input) decode(ctx context.Context, s *Source, head []byte, r io.Reader, scratch func() (*os.File, error)) error {
	form, err := detect(head, true)
	if err != nil {
		return fmt.Errorf("image %s %w", in.name, err)
	}
	switch {
	case form == FormRaw && !in.stream:
		s.Raw = &Raw{file: in.file, size: in.size}
		return nil
	case form == FormRaw:
		s.Stream = r
		return nil
	case form.container():
		return in.convert(ctx, s, form, r, in.stream, scratch)
	}
	d, err := decompress(form, r, in.name)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, d.close)
	inner, err := peek(d)
	if err != nil {
		return err
	}
	if len(inner) == 0 {
		return errEmpty(in.name)
	}
	r = io.MultiReader(bytes.NewReader(inner), d)
	switch f, err := detect(inner, false); {
	case err != nil:
		return fmt.Errorf("image %s, decompressed, %w", in.name, err)
	case f.container():
		return in.convert(ctx, s, f, r, true, scratch)
	case f != FormRaw:
		return fmt.Errorf("image %s is compressed twice (%v inside %v): decompress it once", in.name, f, form)
	}
	s.Stream = r
	return nil
}
