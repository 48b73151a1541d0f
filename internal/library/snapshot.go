package library

import (
	"cmp"
	"slices"
	"strings"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/image"
)

// A snapshot is what a library offers at a moment. It never changes.
type snapshot struct {
	entries []entry // in the order to show
	images  []catalog.Image
	packed  map[image.ID]*image.Packed
	names   map[image.ID]string
	scripts map[image.Digest][]byte
}

// An entry is an image with what only this side knows of it.
type entry struct {
	catalog.Image
	file string
}

// snapshotOf makes what is offered of what is on the shelf and beside it.
func snapshotOf(s *shelf, beside companions) *snapshot {
	shot := &snapshot{
		packed: make(map[image.ID]*image.Packed), names: make(map[image.ID]string), scripts: make(map[image.Digest][]byte),
	}
	books := s.sorted()
	shared := sharedNames(books)
	for _, b := range books {
		if b.state == refused && b.why == "" {
			continue // a folder beside an image
		}
		i := shot.add(b, shared[b.name])
		if f := beside[b.name]; f != nil && !b.odd {
			shot.addBeside(&i, &f.content)
		}
		if i.Problem == "" {
			// Two files with the same image: it does not matter which is sent.
			shot.packed[i.ID], shot.names[i.ID] = b.packed, i.Name
		} else {
			i.ID = image.ID{}
		}
		shot.entries = append(shot.entries, entry{i, b.file})
	}
	slices.SortFunc(shot.entries, func(a, b entry) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(a.file, b.file))
	})
	shot.entries = shot.entries[:min(len(shot.entries), catalog.MaxImages)]
	for _, e := range shot.entries {
		shot.images = append(shot.images, e.Image)
	}
	return shot
}

// sharedNames returns the names that several files would have: lab.img.gz and
// lab.qcow2. They are called by their whole file names.
func sharedNames(books []*book) map[string]bool {
	seen, shared := make(map[string]bool), make(map[string]bool)
	for _, b := range books {
		if !b.odd {
			shared[b.name], seen[b.name] = seen[b.name], true
		}
	}
	return shared
}

// add returns the image of a book as far as its file tells.
func (shot *snapshot) add(b *book, shared bool) catalog.Image {
	name := b.name
	if shared || b.odd {
		name = b.file
	}
	i := catalog.Image{Name: clean(name), Modified: b.seen.modified(), Problem: b.problem()}
	i.Title = i.Name
	if b.packed != nil {
		m := b.packed.Manifest()
		i.ID, i.RawSize, i.PackedSize = m.ID(), m.RawSize(), m.PackedSize()
	}
	return i
}

// addBeside adds what the folder beside an image says of it.
func (shot *snapshot) addBeside(i *catalog.Image, f *beside) {
	if f.title != "" {
		i.Title = f.title
	}
	i.Description = f.description
	if i.Problem == "" {
		i.Problem = f.problem
	}
	if i.Problem != "" {
		return
	}
	for from, to := range map[*script]**catalog.Script{f.init: &i.Init, f.post: &i.Post} {
		if from != nil {
			*to = &from.Script
			shot.scripts[from.Digest] = from.body
		}
	}
}

// problem tells why the image of a book can't be had now, "" when it can.
func (b *book) problem() string {
	switch b.state {
	case ready:
		return ""
	case arriving:
		return "still being copied" + b.why
	case waiting:
		return "waits to be packed"
	case packing:
		return "being packed" + b.progress
	}
	return b.why
}
