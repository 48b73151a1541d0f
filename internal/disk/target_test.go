package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// sizes around every border there is.
var sizes = []int64{
	1, 511, 512, 513, 4095, 4096, 4097,
	blockSize - 1, blockSize, blockSize + 1,
	endSize, endSize + blockSize, 2<<20 + 12345, 3 << 20,
}

// writeAll images path with image, blocks in random order from four writers.
func writeAll(t *testing.T, tgt *Target, image []byte) {
	t.Helper()
	rng := random(t)
	type job struct{ off, n int64 }
	jobs := make(chan job, 1000)
	blocks(rng, int64(len(image)), func(off, n int64) { jobs <- job{off, n} })
	close(jobs)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for j := range jobs {
				if err := tgt.WriteBlock(j.off, aligned(image[j.off:j.off+j.n])); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// readBack compares all ways of reading with want.
func readBack(t *testing.T, r interface {
	ReadBlock(int64, []byte) error
	io.ReaderAt
}, want []byte) {
	t.Helper()
	got := AlignedBuffer(len(want))
	must(t, r.ReadBlock(0, got))
	same(t, "ReadBlock", got, want)
	rng := random(t)
	for range 8 {
		off := rng.IntN(len(want))
		n := rng.IntN(min(len(want)-off, 600<<10)) + 1
		p := make([]byte, n)
		if got, err := r.ReadAt(p, int64(off)); got != n || err != nil && err != io.EOF {
			t.Fatalf("ReadAt(%d, %d) = %d, %v", off, n, got, err)
		}
		same(t, fmt.Sprintf("ReadAt(%d, %d)", off, n), p, want[off:off+n])
	}
}

func TestNewImageFile(t *testing.T) {
	places(t, func(t *testing.T, folder string) {
		for _, size := range sizes {
			t.Run(fmt.Sprint(size), func(t *testing.T) {
				path := filepath.Join(folder, fmt.Sprint(size))
				image := noise(random(t), int(size))
				tgt, err := Open(path, size)
				must(t, err)
				defer tgt.Close()
				if kind := tgt.Info().Kind; kind != NewFile {
					t.Errorf("kind %v", kind)
				}
				writeAll(t, tgt, image)
				must(t, tgt.Flush())
				if !zeroed(fileBytes(t, path)[:min(blockSize, size)]) {
					t.Error("block 0 is in the file before Finish")
				}
				must(t, tgt.Finish())
				readBack(t, tgt, image)
				same(t, "file", fileBytes(t, path), image)
				must(t, tgt.Close())

				r, err := OpenReadOnly(path)
				must(t, err)
				defer r.Close()
				readBack(t, r, image)
				if n, err := r.ReadAt(make([]byte, 10), size-1); n != 1 || err != io.EOF {
					t.Errorf("ReadAt over the end: %d, %v", n, err)
				}
				if err := r.ReadBlock(size, make([]byte, 10)); !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Errorf("ReadBlock past the end: %v", err)
				}
			})
		}
	})
}

// A file that is there: shorter ones grow, longer ones keep what follows the
// image, the end of the disk aside.
func TestExistingImageFile(t *testing.T) {
	places(t, func(t *testing.T, folder string) {
		const size = 2<<20 + 777
		for _, had := range []int64{0, 100, 1 << 20, size, size + 5000, 8 << 20} {
			t.Run(fmt.Sprint(had), func(t *testing.T) {
				rng := random(t)
				path := filepath.Join(folder, fmt.Sprint(had))
				old, image := noise(rng, int(had)), noise(rng, size)
				must(t, os.WriteFile(path, old, 0o644))
				tgt, err := Open(path, size)
				must(t, err)
				defer tgt.Close()
				b := fileBytes(t, path)
				if int64(len(b)) != max(had, size) {
					t.Errorf("file has %d bytes, want %d", len(b), max(had, size))
				}
				if !zeroed(b[:blockSize]) || !zeroed(b[len(b)-endSize:]) {
					t.Error("block 0 or the end was not erased by Open")
				}
				writeAll(t, tgt, image)
				must(t, tgt.Finish())
				want := append([]byte(nil), image...)
				if had > size {
					want = append(want, old[size:]...)
					clear(want[max(size, had-endSize):])
				}
				same(t, "file", fileBytes(t, path), want)
			})
		}
	})
}

func TestZeroInFiles(t *testing.T) {
	places(t, func(t *testing.T, folder string) {
		for _, punch := range []bool{true, false} {
			t.Run(fmt.Sprintf("punch=%v", punch), func(t *testing.T) {
				rng := random(t)
				path := filepath.Join(folder, fmt.Sprint(punch))
				const size = 6 << 20
				must(t, os.WriteFile(path, noise(rng, size), 0o644))
				tgt, err := Lock(path, size)
				must(t, err)
				defer tgt.Close()
				tgt.m.(*raw).noPunch.Store(!punch) // as on file systems without holes
				must(t, tgt.Begin())
				zeroTest(t, tgt, size)
			})
		}
	})
}

// zeroTest writes noise and then zeros ranges of all alignments.
func zeroTest(t *testing.T, tgt *Target, size int64) {
	t.Helper()
	rng := random(t)
	want := noise(rng, int(size))
	writeAll(t, tgt, want)
	ranges := [][2]int64{{0, blockSize}, {1 << 20, 3 << 20}, {size - 700, 700}, {4<<20 + 1, 511}}
	for range 10 {
		off := rng.Int64N(size)
		ranges = append(ranges, [2]int64{off, rng.Int64N(size - off)})
	}
	for _, r := range ranges {
		must(t, tgt.Zero(t.Context(), r[0], r[1]))
		clear(want[r[0] : r[0]+r[1]])
		if rng.IntN(2) == 0 { // and data where zeros were
			i := rng.Int64N(size/blockSize) * blockSize
			p := noise(rng, blockSize)
			copy(want[i:], p)
			must(t, tgt.WriteBlock(i, p))
		}
	}
	readBack(t, tgt, want)
	must(t, tgt.Finish())
	readBack(t, tgt, want)
}

// 100 GB of zeros are one hole, made at once and taking no room.
func TestSparseFileStaysSparse(t *testing.T) {
	places(t, func(t *testing.T, folder string) {
		path := filepath.Join(folder, "sparse")
		const size = 100_000_000_000
		tgt, err := Open(path, size)
		must(t, err)
		defer tgt.Close()
		must(t, tgt.Zero(t.Context(), 0, size))
		must(t, tgt.Finish())
		var st unix.Stat_t
		must(t, unix.Stat(path, &st))
		if st.Size != size || st.Blocks*512 > 1<<20 {
			t.Errorf("file of %d bytes takes %d bytes of room", st.Size, st.Blocks*512)
		}
	})
}

func TestWithoutFinishBlockZeroIsZeros(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	rng := random(t)
	must(t, os.WriteFile(path, noise(rng, 4<<20), 0o644))
	image := noise(rng, 4<<20)
	tgt, err := Open(path, 4<<20)
	must(t, err)
	writeAll(t, tgt, image)
	must(t, tgt.Flush())
	must(t, tgt.Close())
	b := fileBytes(t, path)
	if !zeroed(b[:blockSize]) {
		t.Error("block 0 is not zeros")
	}
	if !zeroed(b[len(b)-512:]) {
		t.Error("the last sector, a GPT's second place, is not zeros")
	}
	same(t, "the rest", b[blockSize:4<<20-blockSize], image[blockSize:4<<20-blockSize])
}

// A run that finds nothing to change changes nothing.
func TestLockWritesNothing(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	old := noise(random(t), 2<<20)
	must(t, os.WriteFile(path, old, 0o644))
	var before, after unix.Stat_t
	must(t, unix.Stat(path, &before))
	tgt, err := Lock(path, 3<<20)
	must(t, err)
	readBack(t, tgt, old)
	if err := tgt.WriteBlock(0, old[:4096]); !errors.Is(err, errNotBegun) {
		t.Errorf("WriteBlock before Begin: %v", err)
	}
	if err := tgt.Finish(); !errors.Is(err, errNotBegun) {
		t.Errorf("Finish before Begin: %v", err)
	}
	must(t, tgt.Close())
	must(t, unix.Stat(path, &after))
	if before.Mtim != after.Mtim || before.Size != after.Size {
		t.Error("the file was changed")
	}

	fresh := filepath.Join(folder, "new")
	tgt, err = Lock(fresh, 3<<20)
	must(t, err)
	must(t, tgt.Close())
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an image file that was never written to is left over: %v", err)
	}
}

func TestErasedTellsWhatBeginErases(t *testing.T) {
	for _, shape := range cutShapes {
		rng := random(t)
		f := newFakeDisk(noise(rng, shape.disk))
		tgt := newTarget(Info{Size: int64(shape.disk)}, int64(shape.image), f)
		before := append([]byte(nil), f.view...)
		must(t, tgt.Begin())
		for off := 0; off < shape.disk; off += 512 {
			n := min(512, shape.disk-off)
			changed := !bytes.Equal(before[off:off+n], f.view[off:off+n])
			if changed != tgt.Erased(int64(off), int64(n)) {
				t.Fatalf("disk of %d: Erased(%d, %d) = %v, erased %v", shape.disk, off, n, !changed, changed)
			}
		}
	}
}

func TestNothingOutsideTheImage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	tgt, err := Open(path, 1<<20)
	must(t, err)
	defer tgt.Close()
	p := AlignedBuffer(4096)
	for _, off := range []int64{-1, -4096, 1<<20 - 4095, 1 << 20, 1<<63 - 1} {
		if err := tgt.WriteBlock(off, p); err == nil {
			t.Errorf("WriteBlock at %d succeeded", off)
		}
	}
	for _, r := range [][2]int64{{0, 1<<20 + 1}, {-1, 5}, {5, -1}, {1, 1<<63 - 1}} {
		if err := tgt.Zero(t.Context(), r[0], r[1]); err == nil {
			t.Errorf("Zero(%d, %d) succeeded", r[0], r[1])
		}
	}
	must(t, tgt.Finish())
	if err := tgt.WriteBlock(0, p); !errors.Is(err, errFinished) {
		t.Errorf("WriteBlock after Finish: %v", err)
	}
	must(t, tgt.Close())
	if err := tgt.WriteBlock(0, p); !errors.Is(err, os.ErrClosed) {
		t.Errorf("WriteBlock after Close: %v", err)
	}
	if err := tgt.ReadBlock(0, p); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadBlock after Close: %v", err)
	}
}

func TestDiscard(t *testing.T) {
	for _, open := range []func() (*Target, error){
		func() (*Target, error) { return Open(DiscardPath, 1<<30) },
		func() (*Target, error) { return OpenDiscard(1 << 30), nil },
	} {
		tgt, err := open()
		must(t, err)
		p := AlignedBuffer(blockSize)
		must(t, tgt.WriteBlock(0, p))
		must(t, tgt.WriteBlock(blockSize, p))
		must(t, tgt.Zero(context.Background(), 2*blockSize, 1<<20))
		must(t, tgt.Finish())
		if err := tgt.ReadBlock(blockSize, p); err == nil {
			t.Error("reading back what was discarded succeeded")
		}
		must(t, tgt.Close())
	}
	if _, err := os.Stat(DiscardPath); err == nil {
		t.Error("a file was made")
	}
}

func TestCancelledZeroIsAnErrorAndNotFinished(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	tgt, err := Lock(path, 8<<20)
	must(t, err)
	defer tgt.Close()
	tgt.m.(*raw).kind = WholeDisk // a file takes the device's way: in chunks
	tgt.m.(*raw).noPunch.Store(true)
	tgt.m.(*raw).noZeroout.Store(true)
	tgt.stage = writing
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tgt.Zero(ctx, 1<<20, 6<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("Zero: %v", err)
	}
	if err := tgt.Finish(); !errors.Is(err, context.Canceled) {
		t.Errorf("Finish: %v", err)
	}
}

func TestWritingDoesNotAllocate(t *testing.T) {
	p := AlignedBuffer(blockSize)
	onFile, err := Open(filepath.Join(t.TempDir(), "file"), 1<<20)
	must(t, err)
	defer onFile.Close()
	for name, tgt := range map[string]*Target{"file": onFile, "discard": OpenDiscard(1 << 20)} {
		must(t, tgt.WriteBlock(0, p)) // takes block 0's memory
		for _, off := range []int64{0, blockSize} {
			n := testing.AllocsPerRun(20, func() {
				if err := tgt.WriteBlock(off, p); err != nil {
					t.Fatal(err)
				}
			})
			if n != 0 {
				t.Errorf("%s: %v allocations per WriteBlock at %d", name, n, off)
			}
		}
	}
	n := testing.AllocsPerRun(20, func() { must(t, onFile.ReadBlock(blockSize, p)) })
	if n != 0 {
		t.Errorf("%v allocations per ReadBlock", n)
	}
}

func TestFullFileSystem(t *testing.T) {
	needRoot(t)
	folder := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
	t.Cleanup(func() { run(t, "umount", folder) })
	path := filepath.Join(folder, "file")
	tgt, err := Open(path, 4<<20)
	must(t, err)
	defer tgt.Close()
	var failed error
	p := noise(random(t), blockSize)
	for off := int64(0); off < 4<<20 && failed == nil; off += blockSize {
		failed = tgt.WriteBlock(off, p)
	}
	if !errors.Is(failed, unix.ENOSPC) {
		t.Fatalf("writing 4 MiB to a file system of 1 MiB: %v", failed)
	}
	var e *Error
	if !errors.As(failed, &e) || e.Path != path || e.Offset <= 0 || e.Op != "write" {
		t.Errorf("error %q does not name file and offset", failed)
	}
	if tgt.Finish() == nil {
		t.Error("Finish succeeded")
	}
}
