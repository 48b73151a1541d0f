package room

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/protocol"
)

// create makes a file in the room's folder.
func (r *room) create(name string) *os.File {
	r.Helper()
	f, err := os.Create(filepath.Join(r.folder, name))
	if err != nil {
		r.Fatal(err)
	}
	return f
}

// open opens a file for as long as the test lasts.
func (r *room) open(path string) *os.File {
	r.Helper()
	f, err := os.Open(path)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { f.Close() })
	return f
}

// noise writes size incompressible bytes to a file.
func (r *room) noise(name string, size int64) string {
	r.Helper()
	f := r.create(name)
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{1}), size); err != nil {
		r.Fatal(err)
	}
	return f.Name()
}

// same checks that a disk holds the image. Where both have holes there is
// nothing to compare.
func (r *room) same(image, disk string) {
	r.Helper()
	a := r.open(image)
	b, err := os.Open(disk)
	if err != nil {
		r.Error(err)
		return
	}
	defer b.Close()
	size, got := length(a), length(b)
	if size != got {
		r.Errorf("%s has %d bytes, the image %d", disk, got, size)
		return
	}
	p, q := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := data(a, b, 0); at < size; at = data(a, b, at) {
		n := min(int64(len(p)), size-at)
		if _, err := a.ReadAt(p[:n], at); err != nil {
			r.Fatal(err)
		}
		if _, err := b.ReadAt(q[:n], at); err != nil {
			r.Fatal(err)
		}
		if !bytes.Equal(p[:n], q[:n]) {
			r.Errorf("%s differs from the image between %d and %d", disk, at, at+n)
			return
		}
		at += n
	}
}

// length returns the size of a file in bytes.
func length(f *os.File) int64 {
	i, err := f.Stat()
	if err != nil {
		return -1
	}
	return i.Size()
}

// data returns where either file's data goes on from at, or its end.
func data(a, b *os.File, at int64) int64 {
	next := int64(1 << 62)
	for _, f := range []*os.File{a, b} {
		if to, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA); err == nil {
			next = min(next, to)
		}
	}
	return next
}

// part writes some of the image's blocks to a receiver's disk.
func (r *room) part(image, disk string, which func(block int) bool) {
	r.Helper()
	from := r.open(image)
	to, err := os.Create(disk)
	if err != nil {
		r.Fatal(err)
	}
	defer to.Close()
	size := length(from)
	if err := to.Truncate(size); err != nil {
		r.Fatal(err)
	}
	for b := 0; int64(b)*protocol.BlockSize < size; b++ {
		if off := int64(b) * protocol.BlockSize; which(b) {
			if _, err := io.Copy(io.NewOffsetWriter(to, off), io.NewSectionReader(from, off, protocol.BlockSize)); err != nil {
				r.Fatal(err)
			}
		}
	}
}

// copyOf makes disk i the image with every block changed in which a draw from
// the seed falls below part. It returns how many those are.
func (r *room) copyOf(image string, i int, part float64, seed uint64) (changed int) {
	r.Helper()
	raw, err := os.ReadFile(image)
	if err != nil {
		r.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 6))
	for at := 0; at < len(raw); at += protocol.BlockSize {
		if random.Float64() < part {
			raw[at+random.IntN(min(protocol.BlockSize, len(raw)-at))]++
			changed++
		}
	}
	if err := os.WriteFile(r.disk(i), raw, 0o600); err != nil {
		r.Fatal(err)
	}
	return changed
}

// unwritten returns the blocks of the image that a disk does not hold.
func (r *room) unwritten(image, disk string) (blocks []int) {
	r.Helper()
	a := r.open(image)
	b, err := os.Open(disk)
	if err != nil {
		b = nil // not yet created
	} else {
		defer b.Close()
	}
	p, q := make([]byte, protocol.BlockSize), make([]byte, protocol.BlockSize)
	for i := 0; ; i++ {
		n, err := io.ReadFull(a, p)
		if n == 0 {
			return blocks
		}
		m := 0
		if b != nil {
			m, _ = io.ReadFull(b, q[:n])
		}
		if !bytes.Equal(p[:n], q[:m]) {
			blocks = append(blocks, i)
		}
		if err != nil {
			return blocks
		}
	}
}

// sparse makes an image of size bytes with data bytes in it, in eight places,
// half of it compressible.
func (r *room) sparse(name string, size, data int64) string {
	r.Helper()
	f := r.create(name)
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		r.Fatal(err)
	}
	noise := rand.NewChaCha8([32]byte{2})
	p := make([]byte, 1<<20)
	const places = 8
	for i := range int64(places) {
		for n := int64(0); n < data/places; n += int64(len(p)) {
			noise.Read(p[:len(p)/2])
			copy(p[len(p)/2:], p)
			if _, err := f.WriteAt(p, i*size/places+n); err != nil {
				r.Fatal(err)
			}
		}
	}
	return f.Name()
}
