package room

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
)

// cast sends an image to every receiver of the room and checks their disks.
func (r *room) cast(image string) (sender *process, receivers []*process) {
	r.Helper()
	n := len(r.lab.Hosts()) - 1
	sender = r.send(image, "--min-receivers", fmt.Sprint(n), "--max-wait", "2m", "--linger", "100ms")
	for i := range n {
		receivers = append(receivers, r.receive(i+1, "--max-wait", "2m"))
	}
	for i, p := range receivers {
		if p.code() != 0 {
			r.Errorf("receiver %d: %s", i+1, p.stderr.String())
			continue
		}
		r.same(image, r.disk(i+1))
	}
	if sender.code() != 0 {
		r.Errorf("sender: %s", sender.stderr.String())
	}
	return sender, receivers
}

// TestSizes sends images of every awkward size.
func TestSizes(t *testing.T) {
	r := newRoom(t, 2)
	for _, h := range r.lab.Hosts()[1:] {
		if err := h.SetLoss(lab.Loss{Percent: 5}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int64{1, 511, 512, 256<<10 - 1, 256 << 10, 256<<10 + 1, 10 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			r := &room{T: t, ctx: r.ctx, lab: r.lab, folder: t.TempDir(), home: r.home}
			r.cast(r.noise("disk.img", size))
		})
	}
}

// sparse makes an image of size bytes with data bytes in it, in eight places,
// half of it compressible.
func (r *room) sparse(name string, size, data int64) string {
	r.Helper()
	path := filepath.Join(r.folder, name)
	f, err := os.Create(path)
	if err != nil {
		r.Fatal(err)
	}
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
	return path
}

// TestSparse sends 100 GB of disk with 4 GB of data in them. What is no data
// costs neither time nor memory.
func TestSparse(t *testing.T) {
	r := newRoom(t, 1)
	image := r.sparse("sparse.img", 100e9, 4<<30)
	begun := time.Now()
	s, receivers := r.cast(image)
	t.Logf("in %v; resident: sender %d MB, receiver %d MB", time.Since(begun), s.rss()>>20, receivers[0].rss()>>20)
	for _, p := range append(receivers, s) {
		if p.rss() > 300e6 {
			t.Errorf("%v used %d MB of memory, want ≤ 300", p.cmd.Args[5:], p.rss()/1e6)
		}
	}
}
