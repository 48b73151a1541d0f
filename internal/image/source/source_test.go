package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func noScratch() (*os.File, error) { return nil, errors.New("no scratch file expected") }

// readAll reads the raw content of b as an image file.
func readAll(t testing.TB, b []byte) ([]byte, error) {
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return readFile(path)
}

func readFile(path string) ([]byte, error) {
	in, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	s, err := in.Decode(context.Background(), noScratch)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if s.Raw != nil {
		return io.ReadAll(io.NewSectionReader(s.Raw, 0, s.Raw.Size()))
	}
	return io.ReadAll(s.Stream)
}

// content is small, and still made of several blocks of every compressor.
func content() []byte {
	b := make([]byte, 600)
	rand.NewChaCha8([32]byte{5}).Read(b)
	return append(b, bytes.Repeat([]byte("text of a disk image, "), 100)...)
}

// compressed returns content in every compressed form; some in two parts.
func compressed(t testing.TB) map[string][]byte {
	raw := content()
	run := func(b []byte, name string, args ...string) []byte {
		t.Helper()
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not installed", name)
		}
		cmd := exec.Command(path, args...)
		cmd.Stdin = bytes.NewReader(b)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return out
	}
	half := len(raw) / 2
	skippable := []byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4}
	return map[string][]byte{
		"gzip":  append(run(raw[:half], "gzip"), run(raw[half:], "gzip", "-1")...),
		"xz":    append(run(raw[:half], "xz", "-0"), append(make([]byte, 4), run(raw[half:], "xz", "-0", "--block-size=1KiB")...)...),
		"zstd":  append(run(raw[:half], "zstd"), run(raw[half:], "zstd", "-19")...),
		"pzstd": append(skippable, run(raw, "zstd")...),
		"bzip2": append(run(raw[:half], "bzip2", "-1"), run(raw[half:], "bzip2", "-1")...),
	}
}

// stride is how many bytes are passed over where each is tried: with -short, as under
// the race detector, which these tests tell nothing, few are.
func stride() int {
	if testing.Short() {
		return 17
	}
	return 1
}

// A truncated file is an error at whatever byte it was cut. Between two whole
// members no one can tell.
func TestTruncatedAtEveryByte(t *testing.T) {
	raw := content()
	for form, b := range compressed(t) {
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		for n := len(b) - 1; n >= 2; n -= stride() {
			if err := os.Truncate(path, int64(n)); err != nil {
				t.Fatal(err)
			}
			got, err := readFile(path)
			if err == nil && !bytes.Equal(got, raw[:len(raw)/2]) {
				t.Errorf("%s cut to %d of %d bytes gives %d bytes", form, n, len(b), len(got))
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%s: error %q does not name the file", form, err)
			}
		}
	}
}

// A flipped bit is an error, or it changes nothing of the content.
func TestEveryByteFlipped(t *testing.T) {
	raw := content()
	for form, b := range compressed(t) {
		path := filepath.Join(t.TempDir(), "image")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		accepted := 0
		for at := 0; at < len(b); at += stride() {
			bits := []int{at % 8}
			if at < 24 { // the signature: every bit
				bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
			}
			for _, bit := range bits {
				f.WriteAt([]byte{b[at] ^ 1<<bit}, int64(at))
				got, err := readFile(path)
				if err == nil && !bytes.Equal(got, raw) {
					t.Errorf("%s with bit %d of byte %d flipped gives other content", form, bit, at)
				}
				if err == nil {
					accepted++
				}
			}
			f.WriteAt(b[at:at+1], int64(at))
		}
		if accepted > 200 {
			t.Errorf("%s: %d flips made no difference: is anything checked?", form, accepted)
		}
	}
}

func TestGarbageAfterTheEnd(t *testing.T) {
	for form, b := range compressed(t) {
		for _, garbage := range []string{"x", "xy", "xyz", "\x00", "\x00\x00\x00", "\x1f\x8b", "\x28\xb5\x2f", "BZ", "BZh9",
			"\xfd7zXZ", "\x50\x2a\x4d\x18\x09\x00\x00\x00", "garbage that is longer than any header", strings.Repeat("\x00", 5)} {
			if got, err := readAll(t, append(bytes.Clone(b), garbage...)); err == nil {
				t.Errorf("%s followed by %q gives %d bytes", form, garbage, len(got))
			}
		}
	}
}

func TestDetect(t *testing.T) {
	pad := func(s string) string { return s + strings.Repeat("\x00", headSize-len(s)) }
	for _, c := range []struct {
		head string
		want Form
		err  string
	}{
		{pad(""), FormRaw, ""},
		{"\x1f", FormRaw, ""}, // an image may have one byte
		{"\x1f\x8b", 0, "truncated header"},
		{pad("\x1f\x8b\x08"), FormGzip, ""},
		{pad("\x1f\x8a\x08\x00\x00\x00\x00\x00\x00\x03"), 0, "gzip with a damaged"},
		{pad("\x1f\x8a\x08\x00\x00\x00\x00\x00\x77\x03"), FormRaw, ""}, // by chance
		{pad("\xfd7zXZ\x00"), FormXz, ""},
		{pad("\xfd7zYZ\x00"), 0, "xz with a damaged"},
		{pad("\x28\xb5\x2f\xfd"), FormZstd, ""},
		{pad("\x5e\x2a\x4d\x18"), FormZstd, ""},
		{"BZh9", 0, "truncated header"},
		{pad("BZh9\x31\x41\x59\x26\x53\x59"), FormBzip2, ""},
		{pad("BZh9\x31\x41\x59\x26\x53\x58"), 0, "bzip2 with a damaged"},
		{pad("BZh9 is how this text begins"), FormRaw, ""},
		{pad("QFI\xfb\x00\x00\x00\x03"), FormQcow2, ""},
		{pad("KDMV\x01"), FormVmdk, ""},
		{pad("vhdxfile"), FormVhdx, ""},
		{pad("# Disk DescriptorFile\n"), 0, "another file"},
		{pad("\xeb\x63\x90"), FormRaw, ""}, // GRUB's boot sector
		{pad("\x33\xc0\x8e\xd0\xbc"), FormRaw, ""},
	} {
		got, err := detect([]byte(c.head), true)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) || err == nil && got != c.want {
			t.Errorf("%.12q: %v, %v; want %v, %q", c.head, got, err, c.want, c.err)
		}
	}
}

// Raw noise is not taken for anything else.
func TestDetectNoise(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	head := make([]byte, headSize)
	for range 200_000 {
		r.Read(head[:16])
		if form, err := detect(head, true); form != FormRaw || err != nil {
			t.Fatalf("%x is %v, %v", head[:16], form, err)
		}
	}
}

// The CRC of a footer is found however the reads are cut, with padding.
func TestXzTail(t *testing.T) {
	b := compressed(t)["xz"]
	for _, padding := range []int{0, 4, 12, 400} {
		for _, chunk := range []int{1, 3, 11, 12, 13, 1000} {
			tail := xzTail{}
			for rest := append(bytes.Clone(b), make([]byte, padding)...); len(rest) > 0; {
				n := min(chunk, len(rest))
				tail.note(rest[:n])
				rest = rest[n:]
			}
			if !tail.complete() {
				t.Errorf("padding %d, reads of %d bytes: not complete", padding, chunk)
			}
		}
	}
}

func TestMemoryHogsAreRefused(t *testing.T) {
	for name, args := range map[string][]string{
		"xz":   {"--lzma2=preset=0,dict=256MiB"},
		"zstd": {"--long=30", "-1", "--no-content-size"},
	} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("%s is not installed", name)
		}
		cmd := exec.Command(path, args...)
		cmd.Stdin = bytes.NewReader(content())
		b, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readAll(t, b); err == nil || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		// Root may read everything: be nobody for the file system.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		unix.Setfsuid(65534)
		defer unix.Setfsuid(0)
	}
	_, err := Open(path)
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v", err)
	}
}

func TestHoles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{1 << 20, 5 << 20} {
		f.WriteAt(content(), at)
	}
	f.Truncate(9 << 20)
	r := &Raw{file: f, size: 9 << 20}
	var data int64
	for at := int64(0); at < r.Size(); {
		start, end, err := r.NextData(at)
		if err != nil || start < at || end < start || start < end && end <= at {
			t.Fatalf("NextData(%d) = %d, %d, %v", at, start, end, err)
		}
		data += end - start
		at = end
	}
	if !r.noHoles && data > 1<<20 {
		t.Errorf("%d bytes of data in two spots", data)
	}
	// Where nothing is known of holes, everything is data.
	r.noHoles = true
	if start, end, err := r.NextData(77); start != 77 || end != 9<<20 || err != nil {
		t.Errorf("NextData = %d, %d, %v", start, end, err)
	}
}

func FuzzHead(f *testing.F) {
	for _, b := range compressed(f) {
		f.Add(b[:min(len(b), headSize)])
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		head = head[:min(len(head), headSize)]
		form, err := detect(head, true)
		if inner, ierr := detect(head, false); ierr == nil && err == nil && inner != form {
			t.Errorf("%v outside, %v inside", form, inner)
		}
		if d := xzDictionary(head); d < 0 || d > 4<<30 {
			t.Errorf("dictionary of %d bytes", d)
		}
	})
}
