package library

import (
	"bytes"
	"compress/gzip"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
)

// A shop is a library whose clock and work the test drives.
type shop struct {
	*Library
	t      *testing.T
	folder string
}

func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, folder: t.TempDir()}
	s.reopen(t.TempDir())
	return s
}

// reopen begins anew with the same folder.
func (s *shop) reopen(cache string) {
	s.t.Helper()
	l, err := newLibrary(Config{Folder: s.folder, Cache: image.Cache{Dir: cache}})
	if err != nil {
		s.t.Fatal(err)
	}
	at := time.Now()
	l.now = func() time.Time { return at }
	s.Library = l
	s.t.Cleanup(l.close)
}

// later lets time pass and looks at the folder.
func (s *shop) later(d time.Duration) {
	at := s.now().Add(d)
	s.now = func() time.Time { return at }
	s.scan()
	s.publish()
}

// work lets everything rest and packs all that is to be packed.
func (s *shop) work() {
	s.later(0)
	s.later(s.rest)
	for b := s.shelf.next(); b != nil; b = s.shelf.next() {
		j := s.start(s.t.Context(), b)
		s.end(j, <-j.done)
	}
	s.publish()
}

func (s *shop) write(file string, body []byte) {
	s.t.Helper()
	path := filepath.Join(s.folder, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// problems returns the problem of each thing on offer by its name, "" for what
// can be had.
func (s *shop) problems() map[string]string {
	m := make(map[string]string)
	for _, i := range s.Images() {
		m[i.Name] = i.Problem
		if (i.Problem == "") != (i.ID != image.ID{}) {
			s.t.Errorf("%s: problem %q with ID %s", i.Name, i.Problem, i.ID)
		}
	}
	return m
}

func (s *shop) want(name, problem string) {
	s.t.Helper()
	got, ok := s.problems()[name]
	if !ok || (got == "") != (problem == "") || !strings.Contains(got, problem) {
		s.t.Errorf("%s: %q (%v); want %q", name, got, ok, problem)
	}
}

func (s *shop) image(name string) catalog.Image {
	s.t.Helper()
	var found *catalog.Image
	for _, i := range s.Images() {
		if i.Name == name && (found == nil || i.Problem == "") {
			found = &i
		}
	}
	if found == nil {
		s.t.Fatalf("no image is called %s", name)
	}
	return *found
}

// holds fails unless the image called name has this raw content.
func (s *shop) holds(name string, raw []byte) {
	s.t.Helper()
	p, got, err := s.Take(s.image(name).ID)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer p.Close()
	if got != name {
		s.t.Errorf("%s is called %s", name, got)
	}
	s.same(p, raw)
}

func (s *shop) same(p *image.Packed, raw []byte) {
	s.t.Helper()
	if err := image.VerifyDisk(s.t.Context(), p.Manifest(), bytes.NewReader(raw), int64(len(raw)), nil); err != nil {
		s.t.Error(err)
	}
}

// disk returns some MiB of a disk with a boot sector.
func disk(seed byte, mib int) []byte {
	b := make([]byte, mib<<20)
	rand.NewChaCha8([32]byte{seed}).Read(b[:len(b)/2])
	copy(b[510:], "\x55\xaa")
	return b
}

func gz(t *testing.T, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(raw)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
