package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/source"
	"golang.org/x/sys/unix"
)

// errUnfit: the file is sound, and what is in it is no disk.
type errUnfit string

func (e errUnfit) Error() string { return string(e) }

// A job packs one file. Packing uses all cores, so there is one at a time.
type job struct {
	file     string
	of       stamp
	began    time.Time
	cancel   context.CancelFunc
	progress chan image.Progress // the latest
	done     chan outcome        // room for one
}

type outcome struct {
	packed *image.Packed
	err    error
}

// start begins to pack the book's file.
func (l *Library) start(ctx context.Context, b *book) *job {
	ctx, cancel := context.WithCancel(ctx)
	j := &job{
		file: b.file, of: b.seen.content(), began: l.now(), cancel: cancel,
		progress: make(chan image.Progress, 1), done: make(chan outcome, 1),
	}
	b.state, b.progress = packing, ""
	path := l.path(b.file)
	go func() {
		defer cancel()
		packed, err := l.pack(ctx, path, j.tell)
		j.done <- outcome{packed, err}
	}()
	return j
}

// tell replaces the progress that nobody has taken yet. It is called from one
// goroutine at a time.
func (j *job) tell(p image.Progress) {
	select {
	case <-j.progress:
	default:
	}
	select {
	case j.progress <- p:
	default:
	}
}

// pack returns the packed image of the file at path.
func (l *Library) pack(ctx context.Context, path string, tell func(image.Progress)) (*image.Packed, error) {
	if err := unfit(ctx, path); err != nil {
		return nil, err
	}
	p, err := l.cfg.Cache.Get(ctx, path, image.PackOptions{Level: l.cfg.Level, Progress: tell})
	if err != nil {
		return nil, err
	}
	return fit(p)
}

// unfit looks at the beginning of what is compressed in a file: a disk would be
// overwritten with lab.tar.gz as with any other. Damage is left to be found when
// all is read.
func unfit(ctx context.Context, path string) error {
	in, err := source.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	switch form, _, err := in.Form(); {
	case err != nil:
		return err
	case form != source.FormGzip && form != source.FormXz && form != source.FormZstd && form != source.FormBzip2:
		return nil
	}
	src, err := in.Decode(ctx, func() (*os.File, error) { return nil, errors.ErrUnsupported })
	if err != nil {
		return nil
	}
	defer src.Close()
	if src.Stream == nil {
		return nil
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(src.Stream, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return ctx.Err()
	}
	if what := judgeContent(head[:n]); what != "" {
		return errUnfit("compressed in it is " + what)
	}
	return nil
}

// fit closes and refuses a packed image that no disk can hold as it is.
func fit(p *image.Packed) (*image.Packed, error) {
	if wholeSectors(p.Manifest().RawSize()) {
		return p, nil
	}
	p.Close()
	return nil, errUnfit(noSectors)
}

// progress notes how far a job is.
func (s *shelf) progress(j *job, p image.Progress, now time.Time) {
	if s.needs(j) {
		s.books[j.file].progress = progressText(p, now.Sub(j.began))
	}
}

// needs reports whether what a job makes is still wanted.
func (s *shelf) needs(j *job) bool {
	b := s.books[j.file]
	return b != nil && b.state == packing && b.seen.content() == j.of
}

// finish takes the outcome of packing a book's file that had the content of when
// packing began.
func (s *shelf) finish(file string, of stamp, o outcome, now time.Time, why func(error) string) {
	b := s.books[file]
	var unfit errUnfit
	switch {
	case b == nil || b.seen.content() != of || b.state != packing && b.state != waiting:
		if o.packed != nil { // of a file that has changed
			s.dropped = append(s.dropped, o.packed)
		}
	case o.err == nil:
		b.state, b.packed, b.progress = ready, o.packed, ""
	case errors.Is(o.err, context.Canceled):
		b.state = waiting
	case errors.As(o.err, &unfit):
		b.state, b.why, b.odd = refused, unfit.Error(), true
	default:
		b.state, b.why, b.retry = failed, why(o.err), time.Time{}
		if outside(o.err) {
			b.retry = now.Add(retryAfter)
		}
	}
}

// outside reports whether the cause of a failure may go away with the file as it
// is.
func outside(err error) bool {
	for _, cause := range []error{source.ErrNoQemu, unix.ENOSPC, unix.EDQUOT, unix.EACCES, unix.EPERM, unix.EIO,
		unix.ESTALE, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.EROFS, unix.ETIMEDOUT, unix.EHOSTDOWN} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// reason returns an error about a file of the folder as one line without the
// folder's path.
func (l *Library) reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = clean(strings.ReplaceAll(line, l.cfg.Folder+string(filepath.Separator), ""))
	const limit = 400
	return line[:min(limit, len(line))]
}

// progressText tells how far packing is, and for how long it will go on if it goes
// on as before: ", 43 %, 2 min left"; "" when nothing is known.
func progressText(p image.Progress, elapsed time.Duration) string {
	if p.InTotal <= 0 || p.InBytes <= 0 {
		return ""
	}
	done := min(1, float64(p.InBytes)/float64(p.InTotal))
	text := fmt.Sprintf(", %d %%", int(100*done))
	seconds := elapsed.Seconds() * (1 - done) / done
	if elapsed < 2*time.Second || seconds > 100*3600 {
		return text // nobody can tell yet
	}
	left := time.Duration(seconds * float64(time.Second))
	switch minutes := int((left + 30*time.Second) / time.Minute); {
	case left < time.Minute:
		return text + ", less than a minute left"
	case minutes < 60:
		return fmt.Sprintf("%s, %d min left", text, minutes)
	default:
		return fmt.Sprintf("%s, %d h %d min left", text, minutes/60, minutes%60)
	}
}
