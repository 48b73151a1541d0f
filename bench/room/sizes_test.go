package room

import (
	"fmt"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
)

// cast sends an image to every receiver of the room and checks their disks.
func (r *room) cast(image string) (sender *process, receivers []*process) {
	r.Helper()
	n := len(r.lab.Hosts()) - 1
	sender = r.send(image, "--min-receivers", fmt.Sprint(n), "--max-wait", "2m", "--linger", "100ms")
	receivers = r.receiveAll(n, "--max-wait", "2m")
	r.allWell(image, sender, receivers)
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
			r := r.in(t)
			r.folder = t.TempDir()
			r.cast(r.noise("disk.img", size))
		})
	}
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
