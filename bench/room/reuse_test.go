package room

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/pxecast/pxecast/protocol"
)

// changes waits until a process writes to its disk, or ends.
func (r *room) changes(p *process, disk string) {
	before := time.Time{}
	if info, err := os.Stat(disk); err == nil {
		before = info.ModTime()
	}
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-again.C:
		}
		if info, err := os.Stat(disk); err == nil && info.Size() > 0 && !info.ModTime().Equal(before) {
			return
		}
	}
}

// TestKilledReceiversResume kills the only receiver, whose disk was in use, at many
// moments. Each one started after it fetches what was not written yet, and no
// more.
func TestKilledReceiversResume(t *testing.T) {
	const (
		size   = 96<<20 - 12345 // bytes
		blocks = 96 << 20 / protocol.BlockSize
		kills  = 20
		memory = 16 << 20 // bytes
	)
	r := newRoom(t, 1)
	image := r.packed(size)
	if err := os.WriteFile(r.disk(1), bytes.Repeat([]byte("somebody else's "), size/16), 0o600); err != nil {
		t.Fatal(err)
	}
	s := r.send(image, "--rate", "250M", "--max-wait", "1m", "--linger", "100ms")
	random := rand.New(rand.NewPCG(1, 1))
	lost, last := blocks, blocks
	killed := 0
	for ; ; killed++ {
		p := r.receive(1, "--memory", fmt.Sprint(memory), "--verify", "--reuse", []string{"auto", "always"}[killed%2])
		if killed < kills {
			if killed%4 > 0 {
				r.changes(p, r.disk(1))
			}
			select {
			case <-p.done:
			case <-time.After(time.Duration(random.IntN(250)) * time.Millisecond):
				p.cmd.Process.Kill()
				<-p.done
			}
		}
		if p.code() != 0 && killed == kills {
			t.Fatalf("receiver: %s", p.stderr.String())
		}
		if p.code() == 0 {
			v := r.end(p)
			if v.fetched() > lost || lost == blocks {
				t.Errorf("the last receiver fetched %d blocks, %d were lacking", v.fetched(), lost)
			}
			break
		}
		r.bootless(image, r.disk(1))
		lost = len(r.unwritten(image, r.disk(1)))
		if lost > last+8 {
			t.Errorf("%d blocks are lacking after kill %d, %d before", lost, killed, last)
		}
		t.Logf("killed after %v: %d blocks lacking", p.took, lost)
		last = lost
	}
	if killed < kills {
		t.Errorf("it had finished after %d kills, want %d", killed, kills)
	}
	if s.code() != 0 {
		t.Fatalf("sender: %s", s.stderr.String())
	}
	r.same(image, r.disk(1))
	sum := r.last(s)
	again := (sum.overhead()*float64(sum.PackedBytes) - size) / float64(killed)
	t.Logf("%d kills: %.1f MiB were sent again for each", killed, again/(1<<20))
	// What is in the memory of a receiver when it is killed is lost; so is what comes
	// until the sender misses it, but most of the memory is not in use.
	if again > memory {
		t.Errorf("%.1f MiB were sent again for each kill, want at most %d", again/(1<<20), memory>>20)
	}
}

// TestDelta: disks that hold nearly all of the image already.
func TestDelta(t *testing.T) {
	const size = 128 << 20
	r := newRoom(t, 8)
	image := r.packed(size)
	for _, c := range []struct {
		name      string
		receivers int
		part      float64 // that differs
		most      float64 // sent of the packed image
	}{
		{"equal", 1, 0, 0.002},
		{"5 %", 1, 0.05, 0.07},
		{"8 receivers, each other 5 %", 8, 0.05, 0.45},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := r.in(t)
			r.folder = t.TempDir()
			r.delta(image, c.receivers, c.part, c.most)
		})
	}
}

func (r *room) delta(image string, receivers int, part, most float64) {
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	var changed []int
	for i := range receivers {
		changed = append(changed, r.copyOf(image, i+1, part, uint64(i+1)))
		if err := os.Chtimes(r.disk(i+1), old, old); err != nil {
			r.Fatal(err)
		}
	}
	s := r.send(image, "--min-receivers", fmt.Sprint(receivers), "--max-wait", "1m", "--linger", "100ms")
	all := r.receiveAll(receivers)
	v := r.allWell(image, s, all)
	for i, p := range all {
		v := r.end(p)
		if v.fetched() != changed[i] {
			r.Errorf("receiver %d fetched %d blocks, %d differed", i+1, v.fetched(), changed[i])
		}
		if info, err := os.Stat(r.disk(i + 1)); err != nil || info.ModTime().Equal(old) != (changed[i] == 0) {
			r.Errorf("receiver %d: %d blocks differed, its disk was changed at %v", i+1, changed[i], info.ModTime())
		}
	}
	got := float64(v.SentBytes) / float64(v.PackedBytes)
	r.Logf("sent %.4f × packed (at most %.3f) in %.2f s", got, most, v.Seconds)
	if got > most {
		r.Errorf("sent %.3f × packed, want ≤ %.3f", got, most)
	}
}
