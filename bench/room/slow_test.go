package room

import (
	"fmt"
	"os"
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
)

// beside sends an image of size bytes to receivers at the hosts 1 to n, and to
// one more with these arguments unless they are nil. It returns how long the
// slowest of the n took, in seconds, and the one more.
func (r *room) beside(image string, n int, args []string) (others float64, last *process) {
	r.Helper()
	all := n
	if args != nil {
		all++
	}
	for i := range all {
		os.Remove(r.disk(i + 1)) // it may not be there; what is on it would be used
	}
	s := r.send(image, "--min-receivers", fmt.Sprint(all), "--linger", "100ms")
	var receivers []*process
	for i := 1; i <= n; i++ {
		receivers = append(receivers, r.receive(i))
	}
	if args != nil {
		last = r.receive(n+1, args...)
		defer func() {
			if last.code() != 0 {
				r.Errorf("the last one: %s", last.stderr.String())
			}
			r.same(image, r.disk(n+1))
		}()
	}
	for i, p := range receivers {
		if p.code() != 0 {
			r.Fatalf("receiver %d: %s", i+1, p.stderr.String())
		}
		others = max(others, r.last(p).Seconds)
		r.same(image, r.disk(i+1))
	}
	if s.code() != 0 {
		r.Fatalf("sender: %s", s.stderr.String())
	}
	v := r.last(s)
	r.Logf("the %d: %.2f s; sent %.3f × packed", n, others, float64(v.SentBytes-40*v.SentPackets)/float64(v.PackedBytes))
	return others, last
}

// TestOneIsSlow: of eight machines one writes at a tenth of the others' speed, or
// loses three datagrams of ten. The others take as long as without it; and the
// slow disk is what the slow one waits for.
func TestOneIsSlow(t *testing.T) {
	const n, size, wire, limit = 7, 64 << 20, 100, 1_250_000 // Mbit/s; bytes a second
	r := newRoom(t, n+1)
	if err := r.lab.Host(0).SetRate(wire); err != nil {
		t.Fatal(err)
	}
	image := r.noise("noise.img", size)
	if p := r.start(0, "pack", image); p.code() != 0 {
		t.Fatal(p.stderr.String())
	}
	without, _ := r.beside(image, n, nil)
	t.Run("disk", func(t *testing.T) {
		r := &room{T: t, ctx: r.ctx, lab: r.lab, folder: r.folder, home: r.home}
		const memory = 32 << 20
		with, slow := r.beside(image, n, []string{"--write-limit", fmt.Sprint(limit), "--memory", "32M"})
		v := r.last(slow)
		alone := float64(size) / limit
		t.Logf("the others %.2f s, without it %.2f s (%+.1f %%); it took %.1f s, its disk %.1f s; shed %d; %d MB resident",
			with, without, 100*(with/without-1), v.Seconds, alone, v.Shed, slow.rss()>>20)
		if with > 1.05*without {
			t.Errorf("the others took %.2f s, %.2f s without it", with, without)
		}
		if v.Seconds > 1.3*alone {
			t.Errorf("it took %.1f s, its disk alone takes %.1f s", v.Seconds, alone)
		}
		if most := int64(memory + 96<<20); slow.rss() > most {
			t.Errorf("%d MB resident, want ≤ %d", slow.rss()>>20, most>>20)
		}
	})
	t.Run("cable", func(t *testing.T) {
		r := &room{T: t, ctx: r.ctx, lab: r.lab, folder: r.folder, home: r.home}
		if err := r.lab.Host(n + 1).SetLoss(lab.Loss{Percent: 30}); err != nil {
			t.Fatal(err)
		}
		// Without it, but with what the loss does to this lab.
		without, _ := r.beside(image, n, nil)
		with, _ := r.beside(image, n, []string{})
		t.Logf("the others %.2f s, without it %.2f s (%+.1f %%)", with, without, 100*(with/without-1))
		if with > 1.05*without {
			t.Errorf("the others took %.2f s, %.2f s without it", with, without)
		}
	})
}
