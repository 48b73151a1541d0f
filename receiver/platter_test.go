package receiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

const blockSize = protocol.BlockSize

// picture is an image and what it packs to.
type picture struct {
	raw    []byte
	packed *image.Packed
}

// newPicture packs an image of these blocks, d with data and 0 of zeros; the
// last one is cut short by so many bytes. Few symbols make a block.
func newPicture(t testing.TB, blocks string, short int) *picture {
	t.Helper()
	raw := make([]byte, len(blocks)*blockSize-short)
	noise := rand.NewChaCha8([32]byte{3})
	for i, kind := range blocks {
		if kind == 'd' {
			noise.Read(raw[i*blockSize:][:4096])
		}
	}
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	packed, err := image.Pack(t.Context(), path, path+".zst", image.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return &picture{raw, packed}
}

// platter is a disk in memory that says what was done to it.
type platter struct {
	testing.TB
	mu          sync.Mutex
	data        []byte
	image       int // bytes of it
	begun, done bool
	head        []byte // block 0 until Finish
	read        map[int]int
	written     map[int]int  // zeroed blocks too
	busy        map[int]int  // reads of a block under way; -1 a write
	broken      map[int]bool // blocks that can't be read
	slow        time.Duration
	asleep      time.Duration // that the first read takes longer
}

func newPlatter(t testing.TB, data []byte, image int) *platter {
	return &platter{TB: t, data: data, image: image, read: map[int]int{}, written: map[int]int{}, busy: map[int]int{}, broken: map[int]bool{}}
}

func (d *platter) Erased(off, n int64) bool {
	return off < blockSize || off+n > int64(len(d.data))-1<<20
}

func (d *platter) Held(off, _ int64) bool { return off == 0 && !d.done }

func (d *platter) Begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun {
		d.Error("begun twice")
	}
	d.begun = true
	clear(d.data[:min(blockSize, len(d.data))])
	clear(d.data[max(0, len(d.data)-1<<20):])
	return nil
}

func (d *platter) WriteBlock(off int64, p []byte) error {
	d.change(int(off), len(p), func() {
		if off == 0 {
			d.head = bytes.Clone(p)
		} else {
			copy(d.data[off:], p)
		}
	})
	return nil
}

func (d *platter) Zero(_ context.Context, off, n int64) error {
	d.change(int(off), int(n), func() { clear(d.data[off : off+n]) })
	return nil
}

// change writes [off, off+n), which takes a while.
func (d *platter) change(off, n int, write func()) {
	blocks := (n + blockSize - 1) / blockSize
	d.mu.Lock()
	if !d.begun || d.done {
		d.Errorf("written at %d before Begin or after Finish", off)
	}
	for b := off / blockSize; b < off/blockSize+blocks; b++ {
		if d.busy[b] != 0 {
			d.Errorf("block %d is written while it is read or written", b)
		}
		d.busy[b] = -1
		d.written[b]++
	}
	d.mu.Unlock()
	d.pass()
	d.mu.Lock()
	defer d.mu.Unlock()
	write()
	for b := off / blockSize; b < off/blockSize+blocks; b++ {
		d.busy[b] = 0
	}
}

// pass lets simulated time pass.
func (d *platter) pass() {
	if d.slow > 0 {
		<-time.After(d.slow)
	}
}

func (d *platter) ReadAt(p []byte, off int64) (int, error) {
	b := int(off / blockSize)
	d.mu.Lock()
	if d.busy[b] < 0 {
		d.Errorf("block %d is read while it is written", b)
	}
	d.busy[b]++
	d.read[b]++
	asleep := d.asleep
	d.asleep = 0
	d.mu.Unlock()
	<-time.After(asleep)
	d.pass()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy[b]--
	if d.broken[b] {
		return 0, fmt.Errorf("block %d: medium error", b)
	}
	n := copy(p, d.data[min(int(off), len(d.data)):])
	if off == 0 && d.head != nil {
		copy(p, d.head)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *platter) Flush() error { return nil }

func (d *platter) Finish() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun {
		d.Error("finished though nothing was begun")
	}
	copy(d.data, d.head)
	d.done = true
	return nil
}
