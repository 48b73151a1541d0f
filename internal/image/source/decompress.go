package source

import (
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// maxWindow bounds how far compressed data may refer back, and with it the
// memory of decoding: 128 MiB is what zstd's own decoder takes unasked, and
// twice what xz -9 uses.
const maxWindow = 128 << 20

// A decoded stream names the input and its form in every error.
type decoded struct {
	r     io.Reader
	close func()
	name  string
	form  Form
	bytes int64 // decoded so far
}

// decompress begins to decode r, which is compressed in the given form.
func decompress(form Form, r io.Reader, name string) (*decoded, error) {
	d := &decoded{name: name, form: form, close: func() {}}
	br := bufio.NewReaderSize(r, 256<<10)
	var err error
	switch form {
	case FormGzip:
		d.r, err = gzip.NewReader(br)
	case FormBzip2:
		d.r = bzip2.NewReader(br)
	case FormXz:
		d.r, err = newXzReader(r)
	case FormZstd:
		var z *zstd.Decoder
		z, err = zstd.NewReader(br, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecodeBuffersBelow(0))
		if err == nil {
			d.r, d.close = z, z.Close
		}
	default:
		err = fmt.Errorf("no decoder for %v", form)
	}
	if err != nil {
		return nil, d.explain(err)
	}
	return d, nil
}

// Read returns io.EOF only when everything was there and every checksum held.
func (d *decoded) Read(p []byte) (int, error) {
	n, err := d.r.Read(p)
	d.bytes += int64(n)
	if err != nil && err != io.EOF {
		err = d.explain(err)
	}
	return n, err
}

// explain turns what a decoder says into what the user can do about it.
func (d *decoded) explain(err error) error {
	var read *readError
	switch {
	case errors.As(err, &read):
		return read.err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errGarbage), errors.Is(err, errWindow):
		return fmt.Errorf("%v image %s: %w", d.form, d.name, err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF), errors.Is(err, errTruncated):
		return fmt.Errorf("%v image %s: %w", d.form, d.name, errTruncated)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return fmt.Errorf("%v image %s: %w", d.form, d.name, errWindow)
	case d.bytes > 0 && d.garbage(err):
		return fmt.Errorf("%v image %s: %w", d.form, d.name, errGarbage)
	}
	return fmt.Errorf("%v image %s is damaged after %d bytes of content (%w): copy or download it again", d.form, d.name, d.bytes, err)
}

// garbage reports whether err means that what should be the next member,
// frame or stream is none. The xz and bzip2 packages have only texts for it.
func (d *decoded) garbage(err error) bool {
	switch d.form {
	case FormGzip:
		return errors.Is(err, gzip.ErrHeader)
	case FormZstd:
		return errors.Is(err, zstd.ErrMagicMismatch)
	case FormXz:
		return strings.Contains(err.Error(), "header magic")
	}
	return strings.Contains(err.Error(), "continuation file")
}

// errWindow: decoding would take more memory than a server should spend.
var errWindow = fmt.Errorf("it needs more than %d MiB of memory to decompress: "+
	"decompress it yourself and pipe it in (pxecast pack - --output FILE)", maxWindow>>20)

// newXzReader decodes one or more xz streams with padding.
//
// The xz package takes an input that ends inside a block header for a complete
// one, so that a file cut between two blocks would pass as a shorter image.
// Therefore the end of the input must be the end of a stream.
func newXzReader(r io.Reader) (io.Reader, error) {
	t := &xzTail{r: r}
	br := bufio.NewReaderSize(t, 256<<10)
	if head, err := br.Peek(1024); len(head) > 0 {
		if xzDictionary(head) > maxWindow {
			return nil, errWindow
		}
	} else if err != nil {
		return nil, err
	}
	x, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(br) // or what the file says
	if err != nil {
		return nil, err
	}
	return &xzReader{x: x, tail: t}, nil
}

type xzReader struct {
	x    io.Reader
	tail *xzTail
}

func (x *xzReader) Read(p []byte) (int, error) {
	n, err := x.x.Read(p)
	if err == io.EOF && !x.tail.complete() {
		err = errTruncated
	}
	return n, err
}
