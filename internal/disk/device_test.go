package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sectorSizes are those a loop device can have here.
var sectorSizes = []int{512, 1024, 2048, 4096}

func TestDevice(t *testing.T) {
	for _, sector := range sectorSizes {
		t.Run(fmt.Sprint(sector), func(t *testing.T) {
			size := int64(2<<20 + sector)
			dev, _ := loopDevice(t, size, sector, "--direct-io=on")
			for _, imageSize := range []int64{1, blockSize + 1, 1<<20 + 777, size - 1, size} {
				t.Run(fmt.Sprint(imageSize), func(t *testing.T) {
					rng := random(t)
					old, image := noise(rng, int(size)), noise(rng, int(imageSize))
					must(t, os.WriteFile(dev, old, 0))

					tgt, err := Open(dev, imageSize)
					must(t, err)
					defer tgt.Close()
					info := tgt.Info()
					if info.Kind != WholeDisk || info.Size != size || info.LogicalSector != sector {
						t.Errorf("info %+v", info)
					}
					erased := append([]byte(nil), old...)
					clear(erased[:blockSize])
					clear(erased[size-endSize:])
					readBack(t, tgt, erased)

					writeAll(t, tgt, image)
					must(t, tgt.Flush())
					if b := fileBytes(t, dev); !zeroed(b[:blockSize]) {
						t.Error("block 0 is on the disk before Finish")
					} else if imageSize == size && !zeroed(b[size-int64(sector):]) {
						t.Error("the last sector is on the disk before Finish")
					}
					must(t, tgt.Finish())
					want := erased
					copy(want, image)
					readBack(t, tgt, want)
					if tgt.m.(*raw).noDirect.Load() || tgt.m.(*raw).direct < 0 {
						t.Error("this was not direct I/O")
					}
					must(t, tgt.Close())
					same(t, "device through the page cache", fileBytes(t, dev), want)
				})
			}
		})
	}
}

// The same without O_DIRECT, which a disk may accept at open and refuse later.
func TestDeviceThatRefusesDirectIO(t *testing.T) {
	const size = 4<<20 + 512
	dev, _ := loopDevice(t, size, 512)
	image := noise(random(t), 3<<20+777)
	tgt, err := Lock(dev, int64(len(image)))
	must(t, err)
	defer tgt.Close()
	r := tgt.m.(*raw)
	r.align = 256 // not a sector: the kernel answers EINVAL to the last block
	must(t, tgt.Begin())
	writeAll(t, tgt, image)
	if !r.noDirect.Load() {
		t.Fatal("direct I/O was not refused: the test does not test")
	}
	must(t, tgt.Finish())
	readBack(t, tgt, image)
	must(t, tgt.Close())
	same(t, "device", fileBytes(t, dev)[:len(image)], image)
}

func TestZeroOnDevices(t *testing.T) {
	for _, sector := range sectorSizes {
		for name, prepare := range map[string]func(*raw){
			"punch":   func(*raw) {},
			"zeroout": func(r *raw) { r.noPunch.Store(true) },
			"written": func(r *raw) { r.noPunch.Store(true); r.noZeroout.Store(true) },
		} {
			t.Run(fmt.Sprintf("%d/%s", sector, name), func(t *testing.T) {
				size := int64(6<<20 + sector)
				dev, _ := loopDevice(t, size, sector, "--direct-io=on")
				tgt, err := Lock(dev, size)
				must(t, err)
				defer tgt.Close()
				r := tgt.m.(*raw)
				prepare(r)
				must(t, tgt.Begin())
				zeroTest(t, tgt, size)
				if name == "punch" && r.noPunch.Load() || name == "zeroout" && r.noZeroout.Load() {
					t.Error("fell back to another way")
				}
			})
		}
	}
}

// A loop device on a sparse file, as a lab has: 100 GB of zeros take no room.
func TestZeroOnDeviceTakesNoRoom(t *testing.T) {
	const size = 100_000_000_000 / 4096 * 4096
	dev, file := loopDevice(t, size, 512)
	tgt, err := Open(dev, size)
	must(t, err)
	defer tgt.Close()
	must(t, tgt.Zero(t.Context(), 0, size))
	must(t, tgt.Finish())
	var st unix.Stat_t
	must(t, unix.Stat(file, &st))
	if st.Blocks*512 > 16<<20 {
		t.Errorf("zeroing took %d bytes of room", st.Blocks*512)
	}
}

// What is behind the disk ends or is full: reads and writes fail as those of a
// broken disk do.
func TestFailingDeviceIsNamed(t *testing.T) {
	needRoot(t)
	folder := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder)
	t.Cleanup(func() { run(t, "umount", folder) })
	const size = 8 << 20
	file := folder + "/backing"
	must(t, os.WriteFile(file, nil, 0o644))
	must(t, os.Truncate(file, size))
	dev := attach(t, file)
	tgt, err := Open(dev, size)
	must(t, err)
	defer tgt.Close()
	p := noise(random(t), 3<<20)
	writeErr := tgt.WriteBlock(4<<20, p)
	must(t, os.Truncate(file, 2<<20))
	for op, err := range map[string]error{
		"read":  tgt.ReadBlock(4<<20, AlignedBuffer(blockSize)),
		"write": writeErr,
	} {
		var e *Error
		if !errors.As(err, &e) || e.Path != dev || e.Offset != 4<<20 || e.Op != op ||
			!errors.Is(e, unix.EIO) && !errors.Is(e, unix.ENOSPC) {
			t.Errorf("%s: error %v does not name operation, disk, offset and cause", op, err)
		}
	}
	if err := tgt.Finish(); err == nil {
		t.Error("Finish succeeded after a failed write")
	}
	if !zeroed(fileBytes(t, file)[:blockSize]) {
		t.Error("block 0 is not zeros")
	}
}

// Partitions that the kernel knew are forgotten: the new table has none.
func TestNewPartitionTableIsSeen(t *testing.T) {
	dev, _ := loopDevice(t, 8<<20, 512, "-P")
	run(t, "addpart", dev, "1", "2048", "8192")
	part := "/sys/class/block/" + filepath.Base(dev) + "p1"
	_, err := os.Stat(part)
	must(t, err)
	tgt, err := Open(dev, 8<<20)
	must(t, err)
	defer tgt.Close()
	must(t, tgt.Finish())
	if _, err := os.Stat(part); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old partition is still there: %v", err)
	}
}

func BenchmarkWriteBlock(b *testing.B) {
	for _, writers := range []int{1, 2, 4, 8} {
		for _, where := range []string{"file", "loop"} {
			b.Run(fmt.Sprintf("%s/writers=%d", where, writers), func(b *testing.B) { benchmarkWrite(b, where, writers) })
		}
	}
}

func benchmarkWrite(b *testing.B, where string, writers int) {
	const size = 256 << 20
	path := b.TempDir() + "/file"
	if where == "loop" {
		path, _ = loopDevice(b, size, 512, "--direct-io=on")
	}
	p := noise(random(b), blockSize)
	b.SetBytes(size)
	for b.Loop() {
		tgt, err := Open(path, size)
		must(b, err)
		done := make(chan error, writers)
		for w := range writers {
			go func() {
				var err error
				for off := int64(w) * blockSize; off < size && err == nil; off += int64(writers) * blockSize {
					err = tgt.WriteBlock(off, p)
				}
				done <- err
			}()
		}
		for range writers {
			must(b, <-done)
		}
		must(b, tgt.Finish())
		must(b, tgt.Close())
	}
}
