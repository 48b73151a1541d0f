package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

var errPowerCut = errors.New("power cut")

// fakeDisk has a volatile cache, as disks have: what was not flushed may be on
// the medium or not, sector by sector, once the power is gone.
type fakeDisk struct {
	durable []byte
	view    []byte // what reads see
	pending []fakeWrite
	steps   int             // writes and flushes done so far
	fail    func(int) error // asked before each step with its number
	log     []string
}

type fakeWrite struct {
	off  int64
	data []byte
}

func newFakeDisk(contents []byte) *fakeDisk {
	return &fakeDisk{
		durable: append([]byte(nil), contents...),
		view:    append([]byte(nil), contents...),
		fail:    func(int) error { return nil },
	}
}

func (f *fakeDisk) step(format string, args ...any) error {
	f.steps++
	if err := f.fail(f.steps - 1); err != nil {
		return err
	}
	f.log = append(f.log, fmt.Sprintf(format, args...))
	return nil
}

func (f *fakeDisk) readAt(p []byte, off int64) (int, error) { return copy(p, f.view[off:]), nil }

func (f *fakeDisk) writeAt(p []byte, off int64) error {
	err := f.step("write %d+%d", off, len(p))
	// A write that fails or is cut off may have happened in part.
	f.pending = append(f.pending, fakeWrite{off, append([]byte(nil), p...)})
	if err == nil {
		copy(f.view[off:], p)
	}
	return err
}

func (f *fakeDisk) zero(_ context.Context, off, n int64) error {
	return f.writeAt(make([]byte, n), off)
}

func (f *fakeDisk) sync() error {
	if err := f.step("flush"); err != nil {
		return err
	}
	copy(f.durable, f.view)
	f.pending = nil
	return nil
}

func (f *fakeDisk) grow(int64) error { return nil }
func (f *fakeDisk) settle()          {}
func (f *fakeDisk) close() error     { return nil }

// afterPowerCut is one possible state of the medium.
func (f *fakeDisk) afterPowerCut(rng *rand.Rand) []byte {
	disk := append([]byte(nil), f.durable...)
	kept := rng.Float64()
	for _, w := range f.pending {
		for at := 0; at < len(w.data); at += 512 {
			if rng.Float64() < kept {
				copy(disk[w.off+int64(at):], w.data[at:min(at+512, len(w.data))])
			}
		}
	}
	return disk
}

// write images old with image through a Target; the first error ends it.
func (f *fakeDisk) write(rng *rand.Rand, image []byte) error {
	t := newTarget(Info{Path: "fake", Kind: WholeDisk, Size: int64(len(f.view))}, int64(len(image)), f)
	defer t.Close()
	err := t.Begin()
	blocks(rng, int64(len(image)), func(off, n int64) {
		if err == nil {
			err = t.WriteBlock(off, image[off:off+n])
		}
		if err == nil && rng.IntN(4) == 0 {
			err = t.Flush()
		}
	})
	if err != nil {
		return err
	}
	return t.Finish()
}

var cutShapes = []struct{ disk, image int }{
	{1 << 20, 1 << 20},         // the image fills the disk: its second GPT is the disk's
	{1<<20 + 512, 1<<20 + 512}, // … in a last block of one sector
	{1<<20 + 512, 1 << 20},     // one sector short of it
	{2<<20 + 512, 1 << 20},     // a larger disk
	{1 << 20, blockSize},       // a single block
	{1 << 20, 100},             // less than a sector
	{blockSize, blockSize},     // the disk is one block
	{64 << 10, 5000},           // … or less
	{2 << 20, 900<<10 + 7},     // ends within a sector
}

// A disk on which the power fails at any moment never boots: not the old
// system once anything of the new one is there, not the new one before all of
// it is there.
func TestPowerCut(t *testing.T) {
	for _, shape := range cutShapes {
		t.Run(fmt.Sprintf("disk=%d,image=%d", shape.disk, shape.image), func(t *testing.T) {
			rng := random(t)
			old, image := noise(rng, shape.disk), noise(rng, shape.image)
			order := rng.Uint64() // the same steps in every round
			for cut := 0; ; cut++ {
				f := newFakeDisk(old)
				f.fail = func(step int) error {
					if step >= cut {
						return errPowerCut
					}
					return nil
				}
				err := f.write(rand.New(rand.NewPCG(order, 0)), image)
				for range 4 {
					checkAfterCut(t, fmt.Sprintf("cut at step %d", cut), f.afterPowerCut(rng), old, image)
				}
				if t.Failed() {
					t.Logf("steps: %q", f.log)
					return
				}
				if err == nil {
					same(t, "finished disk", f.durable[:len(image)], image)
					return
				}
				if !errors.Is(err, errPowerCut) {
					t.Fatalf("cut at step %d: error %v does not tell of it", cut, err)
				}
			}
		})
	}
}

func checkAfterCut(t *testing.T, when string, disk, old, image []byte) {
	t.Helper()
	bootable := func(of []byte) bool { // any sector at the front or the very last one
		for at := 0; at < min(bootSize, len(of)); at += 512 {
			s := of[at:min(at+512, len(of))]
			if at+len(s) <= len(disk) && bytes.Equal(disk[at:at+len(s)], s) {
				return true
			}
		}
		last := len(disk) - 512
		return len(of) >= len(disk) && bytes.Equal(disk[last:], of[last:len(disk)])
	}
	started := false
	for at := blockSize; at+512 <= len(image) && !started; at += 512 {
		started = bytes.Equal(disk[at:at+512], image[at:at+512])
	}
	if started && bootable(old) {
		t.Errorf("%s: the old system's boot sector or GPT is there beside parts of the image", when)
	}
	if !bootable(image) {
		return
	}
	if from, to := blockSize, min(len(image), (len(disk)-1)/blockSize*blockSize); from < to {
		same(t, when+": the new boot sector or GPT is there, and beyond block 0", disk[from:to], image[from:to])
	}
	boot, end := min(bootSize, len(image)), min(blockSize, len(image))
	if bytes.Equal(disk[:min(512, len(image))], image[:min(512, len(image))]) {
		same(t, when+": the new boot sector is there, and the rest of block 0", disk[boot:end], image[boot:end])
	}
}

// Whatever step fails, Finish says so, and says it again when asked again.
func TestFailureOfAnyStepFailsFinish(t *testing.T) {
	rng := random(t)
	disk, image := noise(rng, 3<<20), noise(rng, 2<<20+100)
	for bad := 0; ; bad++ {
		f := newFakeDisk(disk)
		f.fail = func(step int) error {
			if step == bad {
				return errors.New("boom")
			}
			return nil
		}
		tgt := newTarget(Info{Path: "fake", Kind: WholeDisk, Size: int64(len(disk))}, int64(len(image)), f)
		begun := tgt.Begin()
		if begun == nil { // a caller that does not look at errors
			blocks(rng, int64(len(image)), func(off, n int64) { _ = tgt.WriteBlock(off, image[off:off+n]) })
			_ = tgt.Flush()
		}
		first, second := tgt.Finish(), tgt.Finish()
		if f.steps <= bad {
			if begun != nil || first != nil || second != nil {
				t.Fatalf("no step failed, yet Begin %v, Finish %v and %v", begun, first, second)
			}
			same(t, "disk", f.durable[:len(image)], image)
			if bad < 10 {
				t.Fatalf("only %d steps: the test does not test", bad)
			}
			return
		}
		if first == nil || second == nil {
			t.Fatalf("step %d failed, yet Finish returned %v and then %v", bad, first, second)
		}
		if f.steps != bad+1 {
			t.Fatalf("step %d failed and %d more were tried: %q", bad, f.steps-bad-1, f.log)
		}
	}
}

// A flush that fails leaves block 0 zeroed.
func TestFailedFlushLeavesBlockZeroZeroed(t *testing.T) {
	rng := random(t)
	f := newFakeDisk(noise(rng, 2<<20))
	image := noise(rng, 2<<20)
	tgt := newTarget(Info{Path: "fake", Kind: WholeDisk, Size: 2 << 20}, 2<<20, f)
	must(t, tgt.Begin())
	blocks(rng, 2<<20, func(off, n int64) { must(t, tgt.WriteBlock(off, image[off:off+n])) })
	f.fail = func(int) error { return errors.New("lost page write") }
	if err := tgt.Finish(); err == nil {
		t.Fatal("Finish succeeded although the flush failed")
	}
	f.fail = func(int) error { return nil }
	if err := tgt.Finish(); err == nil {
		t.Fatal("a second Finish succeeded: the kernel reports a lost write only once")
	}
	if !zeroed(f.view[:blockSize]) || !zeroed(f.view[len(f.view)-512:]) {
		t.Fatal("block 0 or the last sector holds something")
	}
}

// Peers are served from a disk that is still being written, block 0 too.
func TestHeldPlacesCanBeRead(t *testing.T) {
	rng := random(t)
	f := newFakeDisk(noise(rng, 1<<20))
	image := noise(rng, 1<<20)
	tgt := newTarget(Info{Path: "fake", Kind: WholeDisk, Size: 1 << 20}, 1<<20, f)
	must(t, tgt.Begin())
	blocks(rng, 1<<20, func(off, n int64) { must(t, tgt.WriteBlock(off, image[off:off+n])) })
	got := AlignedBuffer(1 << 20)
	must(t, tgt.ReadBlock(0, got))
	same(t, "before Finish", got, image)
	for off, want := range map[int64]bool{0: true, blockSize: false, 1<<20 - 2*blockSize: false, 1<<20 - blockSize: true} {
		if tgt.Held(off, blockSize) != want {
			t.Errorf("Held(%d) = %v", off, !want)
		}
	}
	if !zeroed(f.view[:blockSize]) {
		t.Error("block 0 is on the disk before Finish")
	}
	must(t, tgt.Finish())
	must(t, tgt.ReadBlock(0, got))
	same(t, "after Finish", got, image)
	if tgt.Held(0, blockSize) {
		t.Error("block 0 is held after Finish")
	}
}

func TestOrderOfFinish(t *testing.T) {
	f := newFakeDisk(make([]byte, 1<<20))
	tgt := newTarget(Info{Path: "fake", Kind: WholeDisk, Size: 1 << 20}, 1<<20, f)
	image := noise(random(t), 1<<20)
	must(t, tgt.Begin())
	for _, off := range []int64{0, 768 << 10, 256 << 10, 512 << 10} {
		must(t, tgt.WriteBlock(off, image[off:off+blockSize]))
	}
	must(t, tgt.Finish())
	want := []string{
		"write 0+262144", "write 262144+786432", "flush", // erased
		"write 262144+262144", "write 524288+262144", "flush", // the image
		"write 786432+262144", "write 4096+258048", "flush", // what waited
		"write 0+4096", "flush", // the boot sector
	}
	if fmt.Sprint(f.log) != fmt.Sprint(want) {
		t.Errorf("steps\n%q, want\n%q", f.log, want)
	}
}
