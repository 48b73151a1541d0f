package receiver

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/protocol"
)

const someBlocks = "dddd0000dddddddd0dddddddddddddddd00000000dddddddddd"

// TestEqualDiskIsLeftAlone: nothing is asked for, nothing is written.
func TestEqualDiskIsLeftAlone(t *testing.T) {
	p := newPicture(t, someBlocks, 1000)
	for _, verify := range []bool{false, true} {
		for _, rest := range []int{0, 512, 3 << 20} { // of the disk, beyond the image
			old := append(bytes.Clone(p.raw), bytes.Repeat([]byte{7}, rest)...)
			d := newPlatter(t, bytes.Clone(old), len(p.raw))
			l := resume(t, p, d, func(l *lesson) {
				l.cfg.Verify = verify
				l.others = []int{0, 3, 8, 50, 49} // what others lack comes all the same
			})
			if len(l.asked) > 0 {
				t.Errorf("asked for %v", l.asked)
			}
			if d.begun || len(d.written) > 0 || !bytes.Equal(d.data, old) {
				t.Errorf("begun: %v, written %v", d.begun, d.written)
			}
			st := l.last
			if n := int64(len(p.raw)); int64(st.Counters.Written) != n || st.Check != (Check{Bytes: n, Equal: n}) || st.Counters.Lanes != [3]uint32{} {
				t.Errorf("status %+v", st)
			}
		}
	}
}

// TestEqualFileIsLeftAlone: a real file keeps its time of change.
func TestEqualFileIsLeftAlone(t *testing.T) {
	p := newPicture(t, someBlocks, 1000)
	path := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(path, p.raw, 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	target, err := disk.Lock(path, int64(len(p.raw)))
	if err != nil {
		t.Fatal(err)
	}
	l := resume(t, p, target, nil)
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(path); !bytes.Equal(got, p.raw) || !after.ModTime().Equal(old) || len(l.asked) > 0 {
		t.Errorf("changed at %v, asked for %v", after.ModTime(), l.asked)
	}
}

// TestOnlyDifferencesAreFetched: a disk that differs anywhere ends as the
// image; what is equal is neither asked for nor written, but for the places
// that are erased in between.
func TestOnlyDifferencesAreFetched(t *testing.T) {
	p := newPicture(t, someBlocks, 1000)
	blocks := len(someBlocks)
	changes := map[string]func(disk []byte) []byte{
		"one block":         func(d []byte) []byte { d[20*blockSize+5]++; return d },
		"block 0":           func(d []byte) []byte { d[0]++; return d },
		"the last block":    func(d []byte) []byte { d[(blocks-1)*blockSize+9]++; return d },
		"a zero block":      func(d []byte) []byte { d[5*blockSize]++; return d },
		"many zero blocks":  func(d []byte) []byte { copy(d[33*blockSize:41*blockSize], p.raw); return d },
		"a shorter file":    func(d []byte) []byte { return d[:len(d)-3*blockSize] },
		"a much longer one": func(d []byte) []byte { d[7]++; return append(d, make([]byte, 4<<20)...) },
		"a run that was killed": func(d []byte) []byte {
			clear(d[:blockSize])
			clear(d[len(d)-1<<20:])
			clear(d[22*blockSize : 24*blockSize+100])
			return d
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "target")
			old := change(bytes.Clone(p.raw))
			if err := os.WriteFile(path, old, 0o600); err != nil {
				t.Fatal(err)
			}
			want := p.differing(old)
			target, err := disk.Lock(path, int64(len(p.raw)))
			if err != nil {
				t.Fatal(err)
			}
			l := resume(t, p, target, nil)
			if err := target.Close(); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); len(got) < len(p.raw) || !bytes.Equal(got[:len(p.raw)], p.raw) {
				t.Error("the file does not hold the image")
			}
			if len(l.asked) != len(want) || l.last.Counters.Lanes[0] != uint32(len(want)) {
				t.Errorf("asked for %v, took %v; it differed in %v", l.asked, l.last.Counters.Lanes, want)
			}
			d := newPlatter(t, change(bytes.Clone(p.raw)), len(p.raw))
			if len(d.data) < len(p.raw) {
				return // a platter does not grow
			}
			resume(t, p, d, nil)
			if !bytes.Equal(d.data[:len(p.raw)], p.raw) {
				t.Error("the platter does not hold the image")
			}
			for b, n := range d.written {
				s := protocol.SBN(b)
				_, data := p.packed.Manifest().Index(s)
				if n != 1 || data && !want[s] && !d.Erased(int64(b)*blockSize, blockSize) {
					t.Errorf("block %d was written %d times", b, n)
				}
			}
		})
	}
}

// TestForeignDisk: a sample of it is read, for less than a second, and then
// all is asked for.
func TestForeignDisk(t *testing.T) {
	p := newPicture(t, strings.Repeat("d", 320), 0)
	old := bytes.Repeat([]byte("somebody else's"), len(p.raw)/15+1)[:len(p.raw)]
	for _, c := range []struct {
		reuse Reuse
		slow  time.Duration // each read
		least int           // blocks read
		most  int
	}{
		{ReuseNever, time.Millisecond, 0, 0},
		{ReuseAuto, time.Millisecond, fewSamples / 2, fewSamples + 6},
		{ReuseAuto, 40 * time.Millisecond, fewSamples / 2, fewSamples + 6},
		{ReuseAuto, 100 * time.Millisecond, 10, fewSamples - 4}, // the time is over first
		{ReuseAlways, time.Millisecond, 320, 320},
	} {
		d := newPlatter(t, bytes.Clone(old), len(p.raw))
		d.slow = c.slow
		l := resume(t, p, d, func(l *lesson) { l.pipe.reuse = c.reuse })
		if len(l.asked) != 320 || !bytes.Equal(d.data, p.raw) {
			t.Errorf("%v: asked for %d blocks", c.reuse, len(l.asked))
		}
		if len(d.read) > c.most || len(d.read) < c.least {
			t.Errorf("%v, %v a read: %d blocks were read, want %d to %d", c.reuse, c.slow, len(d.read), c.least, c.most)
		}
		if c.reuse == ReuseAuto && l.first > time.Second {
			t.Errorf("%v a read: the first block was asked for after %v", c.slow, l.first)
		}
	}
}

// TestDiskSpinsUp: that the disk slept does not cost it its sample.
func TestDiskSpinsUp(t *testing.T) {
	p := newPicture(t, strings.Repeat("d", 320), 0)
	old := bytes.Clone(p.raw)
	for b := 0; b < 320; b++ {
		if b%20 == 0 || b >= 314 { // all that is read first differs, too
			old[b*blockSize]++
		}
	}
	want := p.differing(old)
	d := newPlatter(t, old, len(p.raw))
	d.slow, d.asleep = 12*time.Millisecond, 8*time.Second
	l := resume(t, p, d, nil)
	if len(l.asked) != len(want) || !bytes.Equal(d.data, p.raw) {
		t.Errorf("asked for %d blocks, it differed in %d", len(l.asked), len(want))
	}
}

// TestCutOffRunIsLookedForClosely: on somebody else's disk a run wrote a few blocks
// and was cut off. They are found, whatever the size of the disk: where it is no
// multiple of a block, the block at the erased end keeps some of what was there.
func TestCutOffRunIsLookedForClosely(t *testing.T) {
	const blocks, wrote = 320, 10
	for _, short := range []int{0, 512, 24 << 10} {
		p := newPicture(t, strings.Repeat("d", blocks), short)
		for _, first := range []int{42, 95, 135, 200, 260, 300} { // between them a small sample misses some
			path := filepath.Join(t.TempDir(), "target")
			old := bytes.Repeat([]byte("somebody else's"), len(p.raw)/15+1)[:len(p.raw)]
			if err := os.WriteFile(path, old, 0o600); err != nil {
				t.Fatal(err)
			}
			lock := func() *disk.Target {
				target, err := disk.Lock(path, int64(len(p.raw)))
				if err != nil {
					t.Fatal(err)
				}
				return target
			}
			target := lock()
			err := target.Begin()
			for b := first; b < first+wrote && err == nil; b++ {
				err = target.WriteBlock(int64(b)*blockSize, p.raw[b*blockSize:(b+1)*blockSize])
			}
			if err = errors.Join(err, target.Close()); err != nil {
				t.Fatal(err)
			}
			target = lock()
			l := resume(t, p, target, nil)
			if err := target.Close(); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); !bytes.Equal(got, p.raw) {
				t.Errorf("%d bytes short, cut off at block %d: the file does not hold the image", short, first)
			}
			if len(l.asked) != blocks-wrote {
				t.Errorf("%d bytes short, cut off at block %d: asked for %d of %d blocks, %d were there", short, first, len(l.asked), blocks, wrote)
			}
		}
	}
}

// TestCutOffRunOnASlowDisk: the first block is blank and the disk is slow, so that it
// is searched beside what comes for what a run that was cut off may have written.
// That begins as soon as on any foreign disk.
func TestCutOffRunOnASlowDisk(t *testing.T) {
	p := newPicture(t, strings.Repeat("d", 320), 0)
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 2))
		old := bytes.Repeat([]byte("somebody else's"), len(p.raw)/15+1)[:len(p.raw)]
		clear(old[:blockSize])
		first, n := 20+r.IntN(200), 40*int(seed%2)
		copy(old[first*blockSize:(first+n)*blockSize], p.raw[first*blockSize:])
		d := newPlatter(t, old, len(p.raw))
		d.slow = 40 * time.Millisecond
		l := resume(t, p, d, nil)
		if !bytes.Equal(d.data, p.raw) {
			t.Errorf("seed %d: the platter does not hold the image", seed)
		}
		if l.first > time.Second {
			t.Errorf("seed %d: the first block was asked for after %v", seed, l.first)
		}
		t.Logf("seed %d: asked for %d of 320 blocks, %d were there", seed, len(l.asked), n)
	}
}

// TestReadsAndWritesKeepApart: blocks that differ come from others at the worst
// moments, before and while the disk is read there. The platter complains when
// one is read and written at once.
func TestReadsAndWritesKeepApart(t *testing.T) {
	p := newPicture(t, strings.Repeat("d", 120), 0)
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		d := newPlatter(t, bytes.Clone(p.raw), len(p.raw))
		for range 1 + r.IntN(40) {
			d.data[r.IntN(len(d.data))]++
		}
		want := p.differing(d.data)
		d.slow = time.Duration(1+r.IntN(12)) * time.Millisecond
		l := resume(t, p, d, func(l *lesson) {
			if seed%2 == 0 {
				l.pipe.reuse = ReuseAlways
			}
			for at := r.IntN(30); len(l.others) < 100; at++ {
				l.others = append(l.others, (at+r.IntN(8))%120) // around where the workers read
			}
		})
		if !bytes.Equal(d.data, p.raw) {
			t.Errorf("seed %d: the platter does not hold the image", seed)
		}
		for b, n := range d.written {
			if s := protocol.SBN(b); n != 1 || !want[s] && !d.Erased(int64(b)*blockSize, blockSize) {
				t.Errorf("seed %d: block %d was written %d times, it differed: %v", seed, b, n, want[s])
			}
		}
		for s := range l.asked {
			if !want[s] {
				t.Errorf("seed %d: block %d was asked for, though it was there", seed, s)
			}
		}
		if n := l.last.Counters.Written; n != uint64(len(p.raw)) {
			t.Errorf("seed %d: %d bytes written of %d", seed, n, len(p.raw))
		}
	}
}

// TestUnreadableBlocks are fetched and written; a disk with many is not read on.
func TestUnreadableBlocks(t *testing.T) {
	p := newPicture(t, strings.Repeat("d", 150), 0)
	for _, bad := range []int{1, 3, 90} {
		d := newPlatter(t, bytes.Clone(p.raw), len(p.raw))
		for b := range bad {
			d.broken[50+b] = true
		}
		l := resume(t, p, d, func(l *lesson) { l.pipe.reuse = ReuseAlways })
		if !bytes.Equal(d.data, p.raw) {
			t.Errorf("%d unreadable blocks: the platter does not hold the image", bad)
		}
		if bad < mostUnread && len(l.asked) != bad {
			t.Errorf("%d unreadable blocks: asked for %v", bad, l.asked)
		}
		if len(d.read) > 50+mostUnread+10 && bad > mostUnread {
			t.Errorf("%d unreadable blocks: %d were read all the same", bad, len(d.read))
		}
	}
}

// TestZeroRunsAreNotRewritten: one block that is not zero costs one write; where
// nothing is zero, not every block is read.
func TestZeroRunsAreNotRewritten(t *testing.T) {
	p := newPicture(t, "d"+strings.Repeat("0", 200)+"d", 0)
	for _, junk := range []int{0, 1, 3, 200} {
		d := newPlatter(t, append(bytes.Clone(p.raw), make([]byte, 2<<20)...), len(p.raw))
		for b := range junk {
			d.data[(10+b*189/max(1, junk-1))*blockSize+b]++
		}
		if junk == 200 {
			for b := 1; b <= 200; b++ {
				d.data[(b+1)*blockSize-1] = 1
			}
		}
		l := resume(t, p, d, nil)
		if !bytes.Equal(d.data[:len(p.raw)], p.raw) || len(l.asked) > 0 {
			t.Errorf("%d of 200 blocks were not zero: the platter does not hold the image, or %v were asked for", junk, l.asked)
		}
		wrote := len(d.written)
		if junk > 0 {
			wrote-- // block 0
		}
		if wrote != junk {
			t.Errorf("%d of 200 blocks were not zero: %d were written", junk, wrote)
		}
		if len(d.read) > 20 && junk == 200 {
			t.Errorf("%d blocks were read of which none is zero", len(d.read))
		}
	}
}

// TestWriteLimit: blocks and zeros are written at the limit, and a receiver
// that is told to stop does not wait for it.
func TestWriteLimit(t *testing.T) {
	p := newPicture(t, strings.Repeat("d", 40)+strings.Repeat("0", 64), 0)
	old := bytes.Repeat([]byte{1}, len(p.raw))
	d := newPlatter(t, old, len(p.raw))
	l := resume(t, p, d, func(l *lesson) { l.pipe.throttle.rate = 10 << 20 })
	if l.took < 1700*time.Millisecond || l.took > 2900*time.Millisecond { // the last zeros are not paid for
		t.Errorf("26 MiB at 10 MiB/s took %v", l.took)
	}
	synctest.Test(t, func(t *testing.T) {
		th := throttle{rate: 1}
		ctx, cancel := context.WithCancel(t.Context())
		th.book(time.Now(), 1<<30)
		cancel()
		if err := th.wait(ctx, 1); err == nil {
			t.Error("waited for a year")
		}
	})
}
