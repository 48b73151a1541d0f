package room

import (
	"fmt"
	"os"
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
)

// beside sends an image of size bytes to receivers at the hosts 1 to n, and to
// one more with these arguments unless they are nil. It returns how long the
// slowest of the n took, in seconds, the one more, which may go on, and what
// waits for all to end and checks that they ended well.
func (r *room) beside(image string, n int, args []string) (others float64, last *process, end func()) {
	r.Helper()
	all := n
	if args != nil {
		all++
	}
	for i := range all {
		os.Remove(r.disk(i + 1)) // it may not be there; what is on it would be used
	}
	s := r.send(image, "--min-receivers", fmt.Sprint(all), "--linger", "100ms")
	receivers := r.receiveAll(n)
	if args != nil {
		last = r.receive(all, args...)
		receivers = append(receivers, last)
	}
	for i, p := range receivers[:n] {
		if p.code() != 0 {
			r.Fatalf("receiver %d: %s", i+1, p.stderr.String())
		}
		others = max(others, r.last(p).Seconds)
	}
	return others, last, func() {
		v := r.allWell(image, s, receivers)
		r.Logf("the %d: %.2f s; sent %.3f × packed", n, others, v.overhead())
	}
}

// unhindered checks that the others take as long with the slow one as without.
func unhindered(t *testing.T, with, without float64) {
	t.Helper()
	t.Logf("the others %.2f s, without it %.2f s (%+.1f %%)", with, without, 100*(with/without-1))
	if with > 1.05*without {
		t.Errorf("the others took %.2f s, %.2f s without it", with, without)
	}
}

// slowRoom is a room of seven machines and one more behind a slow wire, and an
// image.
func slowRoom(t *testing.T, size int64) (r *room, image string) {
	r = newRoom(t, slowOthers+1)
	r.wire(100) // Mbit/s
	return r, r.packed(size)
}

const slowOthers = 7

// The slow disk of one machine: a tenth of the others' speed, in bytes a second,
// and the memory that the machine may use, in bytes.
const slowLimit, slowMemory = 1_250_000, 32 << 20

// besideSlow is beside with a machine more that has a slow disk.
func (r *room) besideSlow(image string) (others float64, slow *process, end func()) {
	r.Helper()
	return r.beside(image, slowOthers, []string{"--write-limit", fmt.Sprint(slowLimit), "--memory", fmt.Sprint(slowMemory)})
}

// TestOneDiskIsSlow: of eight machines one writes at a tenth of the others' speed.
// The others take as long as without it. (It is not waited for.)
func TestOneDiskIsSlow(t *testing.T) {
	r, image := slowRoom(t, 64<<20)
	without, _, end := r.beside(image, slowOthers, nil)
	end()
	with, _, _ := r.besideSlow(image)
	unhindered(t, with, without)
}

// TestSlowDiskIsWaitedFor: its disk is what a machine with a slow one waits
// for.
func TestSlowDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	r, image := slowRoom(t, size)
	_, slow, end := r.besideSlow(image)
	end()
	v := r.last(slow)
	alone := float64(size) / slowLimit
	t.Logf("it took %.1f s, its disk %.1f s; shed %d; %d MB resident", v.Seconds, alone, v.Shed, slow.rss()>>20)
	if v.Seconds > 1.3*alone {
		t.Errorf("it took %.1f s, its disk alone takes %.1f s", v.Seconds, alone)
	}
	if most := int64(slowMemory + 48<<20); slow.rss() > most {
		t.Errorf("%d MB resident, want ≤ %d", slow.rss()>>20, most>>20)
	}
}

// TestOneCableIsBad: of eight machines one loses three datagrams of ten. The
// others take as long as without it.
func TestOneCableIsBad(t *testing.T) {
	r, image := slowRoom(t, 64<<20)
	// Without it, but with what the loss does to this lab.
	if err := r.lab.Host(slowOthers + 1).SetLoss(lab.Loss{Percent: 30}); err != nil {
		t.Fatal(err)
	}
	without, _, end := r.beside(image, slowOthers, nil)
	end()
	with, _, end := r.beside(image, slowOthers, []string{})
	end()
	unhindered(t, with, without)
}
