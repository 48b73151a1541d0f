// Package library watches the folder of images that a boot server offers. Every
// file in it is either an image that can be had, or has a reason why not: it is
// still being copied, being packed, damaged, no image at all. Images are packed in
// the background, one at a time, and found again in the cache.
//
// Beside lab.img.gz there may be a folder lab.d with files of these names:
//
//	title         a line for people
//	description   some lines for people
//	init          a program that the machine runs as root before its disk is written
//	post          the same for after
//	timeout       how long each of them may take: "10m" (that is the default), "90s"
package library

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
)

// ErrNoImage: no image of the library has this ID.
var ErrNoImage = errors.New("there is no such image")

// Config says where the images are.
type Config struct {
	Folder  string       // must exist
	Cache   image.Cache  // keeps the packed images
	Level   image.Level  // to pack with
	Log     *slog.Logger // nil: none
	Changed func()       // called by Run, when Images has become another; may be nil
}

// A Library is a folder of images. Its methods may be used by many goroutines, but
// for Run.
type Library struct {
	cfg    Config
	now    func() time.Time
	rest   time.Duration // for which a file must not have changed
	rescan time.Duration // after which the folder is looked at without being told to

	// Of the goroutine in Open and then in Run.
	shelf  *shelf
	beside companions
	lost   bool // the folder could not be read
	told   map[string]string

	mu   sync.Mutex
	shot *snapshot
}

const (
	// defaultRest is longer than the three seconds for which a client of NFS
	// believes what it last heard of a file that changes.
	defaultRest = 5 * time.Second
	// defaultRescan is for file systems that tell nobody of changes made elsewhere.
	defaultRescan = 30 * time.Second
)

// Open looks at the folder once, so that what is in the cache can be had at once.
// The rest is done by Run.
func Open(cfg Config) (*Library, error) {
	l, err := newLibrary(cfg)
	if err != nil {
		return nil, err
	}
	l.scan()
	l.publish()
	return l, nil
}

func newLibrary(cfg Config) (*Library, error) {
	folder, err := filepath.Abs(cfg.Folder)
	if err != nil {
		return nil, fmt.Errorf("folder of images: %w", err)
	}
	switch st, err := os.Stat(folder); {
	case errors.Is(err, os.ErrNotExist):
		return nil, fmt.Errorf("the folder of images %s is not there: make it and put images into it", folder)
	case err != nil:
		return nil, fmt.Errorf("folder of images: %w", err)
	case !st.IsDir():
		return nil, fmt.Errorf("%s is a file: name the folder that the images are in", folder)
	}
	if _, err := os.ReadDir(folder); err != nil {
		return nil, fmt.Errorf("folder of images: %w", err)
	}
	cfg.Folder = folder
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Changed == nil {
		cfg.Changed = func() {}
	}
	return &Library{
		cfg: cfg, now: time.Now, rest: defaultRest, rescan: defaultRescan,
		shelf: newShelf(defaultRest), beside: make(companions), told: make(map[string]string), shot: new(snapshot),
	}, nil
}

func (l *Library) path(file string) string { return filepath.Join(l.cfg.Folder, file) }

func (l *Library) snapshot() *snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shot
}

// Images returns what is in the folder, in the order to show. What has a Problem
// can't be had now; it may be no image at all.
func (l *Library) Images() []catalog.Image { return slices.Clone(l.snapshot().images) }

// Take opens the packed image with this ID, to be closed by the caller, and returns
// what the image is called. It stays whole whatever becomes of the file. Errors:
// ErrNoImage.
func (l *Library) Take(id image.ID) (*image.Packed, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.shot.packed[id]
	if p == nil {
		return nil, "", fmt.Errorf("image %s: %w", id.Short(), ErrNoImage)
	}
	p, err := p.Dup()
	return p, l.shot.names[id], err
}

// Script returns the bytes of a script of one of Images. They must not be changed.
func (l *Library) Script(d image.Digest) (body []byte, ok bool) {
	body, ok = l.snapshot().scripts[d]
	return body, ok
}
