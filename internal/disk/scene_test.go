package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needRoot is for tests that make loop devices and mounts.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes loop devices")
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// loopDevice makes a loop device of size bytes; extra are more losetup options.
// It returns the device and the file behind it.
func loopDevice(t testing.TB, size int64, sector int, extra ...string) (dev, file string) {
	t.Helper()
	needRoot(t)
	file = filepath.Join(t.TempDir(), "backing")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	return attach(t, file, append([]string{"-b", fmt.Sprint(sector)}, extra...)...), file
}

func attach(t testing.TB, file string, options ...string) string {
	t.Helper()
	dev := run(t, "losetup", append(append([]string{"-f", "--show"}, options...), file)...)
	t.Cleanup(func() { run(t, "losetup", "-d", dev) })
	return dev
}

// places are folders on different file systems.
func places(t *testing.T, test func(t *testing.T, folder string)) {
	t.Run("disk", func(t *testing.T) { test(t, t.TempDir()) })
	t.Run("tmpfs", func(t *testing.T) {
		folder, err := os.MkdirTemp("/dev/shm", "pxecast-disk-")
		if err != nil {
			t.Skip("no /dev/shm:", err)
		}
		t.Cleanup(func() { os.RemoveAll(folder) })
		test(t, folder)
	})
}

// random returns a generator and prints its seed if the test fails.
func random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func noise(rng *rand.Rand, n int) []byte {
	p := AlignedBuffer(n)
	for i := 0; i < n; i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], rng.Uint64()|0x0101010101010101) // no byte is zero: a lost one shows
		copy(p[i:], word[:])
	}
	return p
}

func fileBytes(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// same compares without printing megabytes.
func same(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d bytes, want %d", what, len(got), len(want))
		return
	}
	if bytes.Equal(got, want) {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s: first difference at byte %d: %#x, want %#x", what, i, got[i], want[i])
			return
		}
	}
}

func zeroed(p []byte) bool { return len(bytes.Trim(p, "\x00")) == 0 }

// blocks calls f for each block of an image in random order.
func blocks(rng *rand.Rand, size int64, f func(off, n int64)) {
	for _, i := range rng.Perm(int((size + blockSize - 1) / blockSize)) {
		off := int64(i) * blockSize
		f(off, min(blockSize, size-off))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// aligned copies p to where direct I/O can take it from.
func aligned(p []byte) []byte {
	b := AlignedBuffer(len(p))
	copy(b, p)
	return b
}
