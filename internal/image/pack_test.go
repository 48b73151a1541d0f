package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/protocol"
	"golang.org/x/sys/unix"
)

// shapes are raw images that have tripped imagers.
func shapes() map[string][]byte {
	short := append(alternating(5), noise(3, 77)...)
	return map[string][]byte{
		"1 byte":               {1},
		"1 zero byte":          {0},
		"511 bytes":            noise(1, 511),
		"512 bytes":            noise(1, 512),
		"256 KiB - 1":          noise(1, blockSize-1),
		"256 KiB":              noise(1, blockSize),
		"256 KiB + 1":          noise(1, blockSize+1),
		"10 MiB of noise":      noise(1, 10<<20),
		"zeros":                make([]byte, 3<<20),
		"zeros, odd length":    make([]byte, 3<<20+12345),
		"alternating":          alternating(9),
		"alternating, zero in": alternating(8),
		"short last block":     short,
		"zeros then a byte":    append(make([]byte, 8<<20), 1),
		"a byte then zeros":    append([]byte{1}, make([]byte, 8<<20)...),
		"disk":                 diskLike(42, 20<<20+4096),
	}
}

// Whoever has only zstd gets the image back from every packed image.
func TestPackedImageIsPlainZstd(t *testing.T) {
	zstd := tool(t, "zstd")
	for name, raw := range shapes() {
		t.Run(name, func(t *testing.T) {
			p, path := mustPack(t, writeFile(t, "raw", raw), PackOptions{})
			for _, flag := range []string{"-tq", "-lq"} {
				if out, err := exec.Command(zstd, flag, path).CombinedOutput(); err != nil {
					t.Errorf("zstd %s: %v: %s", flag, err, out)
				}
			}
			if got := unpack(t, path); sha(got) != sha(raw) {
				t.Errorf("zstd -dc gives %d other bytes than the image's %d", len(got), len(raw))
			}
			checkPacked(t, p, path, raw)
		})
	}
}

// checkPacked reads a packed image in our own way.
func checkPacked(t *testing.T, p *Packed, path string, raw []byte) {
	t.Helper()
	m := p.Manifest()
	if st, err := os.Stat(path); err != nil || st.Size() != m.PackedSize() || m.RawSize() != int64(len(raw)) {
		t.Errorf("sizes: file %v, manifest says %d packed, %d raw, want %d", st, m.PackedSize(), m.RawSize(), len(raw))
	}
	if err := p.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	got := make([]byte, len(raw))
	d := NewDecoder()
	p.Prefetch(0, m.DataBlocks()+5)
	for i := range m.DataBlocks() {
		frame, err := p.ReadFrame(i, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := m.SBN(i)
		b, err := d.Decode(nil, frame, m.RawLen(s))
		if err != nil || Sum(b) != m.Digest(i) {
			t.Fatalf("block %d: %v", s, err)
		}
		copy(got[int(s)*blockSize:], b)
	}
	if !bytes.Equal(got, raw) {
		t.Error("the blocks are not the image's")
	}
	if err := VerifyDisk(t.Context(), m, bytes.NewReader(raw), int64(len(raw)), nil); err != nil {
		t.Error(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if again.Manifest().ID() != m.ID() {
		t.Error("opened again it has another ID")
	}
}

// The same content has the same packed image, whatever the number of workers
// and however its zeros are stored.
func TestPackIsDeterministic(t *testing.T) {
	raw := diskLike(9, 30<<20+333)
	copy(raw[8<<20:12<<20], make([]byte, 4<<20))
	in := writeFile(t, "raw", raw)
	sparse := writeFile(t, "sparse", raw)
	f, err := os.OpenFile(sparse, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 8<<20-4096, 4<<20+4096); err != nil {
		t.Logf("no holes on this file system: %v", err)
	}
	copy(raw[8<<20-4096:8<<20], make([]byte, 4096))
	if err := os.WriteFile(in, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, l := range []Level{Default, Better} {
		var want []byte
		for _, workers := range []int{1, 2, 7} {
			for _, input := range []string{in, sparse} {
				_, path := mustPack(t, input, PackOptions{Level: l, workers: workers})
				got, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				}
				if !bytes.Equal(got, want) {
					t.Errorf("level %v, %d workers, %s: other bytes", l, workers, filepath.Base(input))
				}
			}
		}
	}
}

// A hundred sparse gigabytes cost what their data costs.
func TestPackHugeSparse(t *testing.T) {
	zstd := tool(t, "zstd")
	in := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(in)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const size = 100<<30 + 4096
	for i, at := range []int64{0, 5<<30 + 777, 6 << 30, 99 << 30} {
		if _, err := f.WriteAt(noise(uint64(i), 1<<20), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	p, path := mustPack(t, in, PackOptions{})
	m := p.Manifest()
	// One of the four megabytes is not aligned to blocks.
	if m.RawSize() != size || m.DataBlocks() != 4+5+4+4 || len(m.Runs()) != 8 {
		t.Errorf("size %d, %d data blocks in %d runs", m.RawSize(), m.DataBlocks(), len(m.Runs()))
	}
	if err := p.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	out, err := exec.Command(zstd, "-l", "-v", path).Output()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("(%d B)", int64(size))) {
		t.Errorf("zstd -lv (%v) does not say %d bytes:\n%s", err, int64(size), out)
	}
}

func TestPackReportsProgress(t *testing.T) {
	raw := diskLike(3, 4<<20)
	var got []Progress
	p, _ := mustPack(t, writeFile(t, "raw", raw), PackOptions{Progress: func(p Progress) { got = append(got, p) }})
	want := Progress{int64(len(raw)), int64(len(raw)), int64(len(raw)), p.Manifest().PackedSize()}
	if len(got) == 0 || got[len(got)-1] != want {
		t.Errorf("progress %v, want the last to be %v", got, want)
	}
}

func TestPackRefusesOutput(t *testing.T) {
	dir := t.TempDir()
	in := writeFile(t, "raw", []byte("x"))
	link := filepath.Join(dir, "link")
	if err := os.Link(in, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ output, want string }{
		{dir, "is a directory"},
		{in, "the image itself"},
		{link, "the image itself"},
		{os.DevNull, "not a regular file"},
		{filepath.Join(dir, "no", "such"), "create its folder"},
	} {
		_, err := Pack(t.Context(), in, c.output, PackOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.output) {
			t.Errorf("output %s: error %v, want one with %q", c.output, err, c.want)
		}
	}
	if names := ls(t, dir); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestPackReplacesOutputOnlyWhenComplete(t *testing.T) {
	out := writeFile(t, "out", []byte("earlier"))
	bad := writeFile(t, "bad.gz", filter(t, noise(1, 1<<20), "gzip")[:1<<19])
	if _, err := Pack(t.Context(), bad, out, PackOptions{}); err == nil {
		t.Fatal("half a gzip file was packed")
	}
	if b, _ := os.ReadFile(out); string(b) != "earlier" {
		t.Error("a failed pack touched the earlier output")
	}
	p, err := Pack(t.Context(), writeFile(t, "good", []byte("image")), out, PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if got := unpack(t, out); string(got) != "image" {
		t.Errorf("output holds %q", got)
	}
	if names := ls(t, filepath.Dir(out)); len(names) != 1 {
		t.Errorf("left behind: %v", names)
	}
}

func TestPackNoticesChange(t *testing.T) {
	for name, change := range map[string]func(f *os.File) error{
		"written":   func(f *os.File) error { _, err := f.WriteAt([]byte("new"), 0); return err },
		"truncated": func(f *os.File) error { return f.Truncate(100) },
		"extended":  func(f *os.File) error { _, err := f.WriteAt([]byte("new"), 9<<20); return err },
	} {
		t.Run(name, func(t *testing.T) {
			in := writeFile(t, "raw", noise(1, 8<<20))
			f, err := os.OpenFile(in, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			done := false
			out := filepath.Join(t.TempDir(), "out")
			_, err = Pack(t.Context(), in, out, PackOptions{workers: 1, Progress: func(Progress) {
				if !done {
					done = true
					if err := change(f); err != nil {
						t.Error(err)
					}
				}
			}})
			if err == nil || !strings.Contains(err.Error(), "while it was read") {
				t.Errorf("error %v", err)
			}
			if names := ls(t, filepath.Dir(out)); len(names) != 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// Cancelling ends a pack at once, also one that waits for a pipe.
func TestPackCancelled(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out := filepath.Join(t.TempDir(), "out")
		_, err := Pack(ctx, writeFile(t, "raw", noise(1, 8<<20)), out, PackOptions{Progress: func(Progress) { cancel() }})
		if !errors.Is(err, context.Canceled) || len(ls(t, filepath.Dir(out))) != 0 {
			t.Errorf("error %v, left %v", err, ls(t, filepath.Dir(out)))
		}
	})
	for name, head := range map[string][]byte{
		"silent pipe": nil,
		"raw":         noise(1, blockSize*3),
		"gzip":        filter(t, noise(1, blockSize*3), "gzip")[:blockSize*2],
		"zstd":        filter(t, noise(1, blockSize*3), "zstd")[:blockSize*2],
		"xz":          filter(t, noise(1, blockSize*3), "xz")[:blockSize*2],
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fifo := filepath.Join(t.TempDir(), "fifo")
			if err := unix.Mkfifo(fifo, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() {
				_, err := Pack(ctx, fifo, filepath.Join(dir, "out"), PackOptions{})
				result <- err
			}()
			w, err := os.OpenFile(fifo, os.O_WRONLY, 0) // waits for the reader
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if _, err := w.Write(head); err != nil { // more than the pipe holds: it is being read
				t.Fatal(err)
			}
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if names := ls(t, dir); len(names) != 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

func TestPackWithoutUnnamedFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	o, err := newNamedOutput(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file has its name before it is complete")
	}
	if err := o.commit(path); err != nil {
		t.Fatal(err)
	}
	o.discard() // after commit it must not remove anything
	if names := ls(t, dir); len(names) != 1 || names[0] != "out" {
		t.Errorf("folder holds %v", names)
	}
	o, err = newNamedOutput(path+"2", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	o.discard()
	if names := ls(t, dir); len(names) != 1 {
		t.Errorf("folder holds %v", names)
	}
}

func TestPackOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	defer unix.Unmount(dir, 0)
	in := writeFile(t, "raw", noise(1, 16<<20))
	for name, pack := range map[string]func() (*Packed, error){
		"output": func() (*Packed, error) {
			return Pack(t.Context(), in, filepath.Join(dir, "out"), PackOptions{})
		},
		"cache": func() (*Packed, error) { return Cache{dir}.Get(t.Context(), in, PackOptions{}) },
	} {
		_, err := pack()
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), CacheVariable) ||
			!strings.Contains(err.Error(), "of about 16 MiB") {
			t.Errorf("%s: error %v", name, err)
		}
		if names := ls(t, dir); len(names) != 0 {
			t.Errorf("%s: left behind %v", name, names)
		}
	}
}

// A full disk ends a pack that waits for a pipe, with its own error.
func TestPackOnFullDiskFromPipe(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a tmpfs: %v", err)
	}
	defer unix.Unmount(dir, 0)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := Pack(t.Context(), fifo, filepath.Join(dir, "out"), PackOptions{})
		result <- err
	}()
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close() // not before the pack has ended
	// The second frame has no room any more; the reader waits for a fifth
	// block by then, or will.
	if _, err := w.Write(noise(1, 4*blockSize)); err != nil && !errors.Is(err, unix.EPIPE) {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
}

// No slot, frame or digest is allocated per block.
func TestPackAllocatesNothingPerBlock(t *testing.T) {
	pack := func(blocks int) float64 {
		in := writeFile(t, "raw", bytes.Repeat(noise(1, blockSize), blocks))
		out := filepath.Join(t.TempDir(), "out")
		return testing.AllocsPerRun(1, func() {
			p, err := Pack(t.Context(), in, out, PackOptions{workers: 2})
			if err != nil {
				t.Fatal(err)
			}
			p.Close()
		})
	}
	few, many := pack(32), pack(32+256)
	// The manifest grows by doubling: a handful.
	if many-few > 25 {
		t.Errorf("256 blocks more cost %v allocations", many-few)
	}
}

func TestTooMuchDataForManifest(t *testing.T) {
	var b builder
	const full = MaxManifest - headerSize - runSize - entrySize
	b.entries = make([]byte, full, full+2*entrySize)
	if err := b.addData(100, Digest{}); err != nil {
		t.Errorf("the last block that fits: %v", err)
	}
	if err := b.addData(100, Digest{}); err == nil {
		t.Error("a manifest above the limit was built")
	}
	if protocol.MaxSBN*protocol.BlockSize != MaxRaw {
		t.Error("block numbers do not span the largest image")
	}
}
