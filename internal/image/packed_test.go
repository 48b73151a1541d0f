package image

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/protocol"
)

func smallPacked(t testing.TB) (file, raw []byte) {
	raw = append(alternating(3), make([]byte, 3<<20)...)
	raw = append(raw, noise(4, 300)...)
	_, path := mustPack(t, writeFile(t, "raw", raw), PackOptions{})
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, raw
}

// verifyBytes opens and verifies a packed image.
func verifyBytes(t testing.TB, b []byte) error {
	p, err := Open(writeFile(t, "packed", b))
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Verify(context.Background(), nil)
}

// Open and Verify notice a change of any byte of a packed image. zstd has a few
// redundant bits: a change there leaves a packed image that is as good.
func TestVerifyNoticesEveryByte(t *testing.T) {
	file, raw := smallPacked(t)
	if err := verifyBytes(t, file); err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, "packed", file)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	verify := func() error {
		p, err := Open(path)
		if err != nil {
			return err
		}
		defer p.Close()
		return p.Verify(t.Context(), nil)
	}
	r := rand.New(rand.NewPCG(1, 1))
	step := 1
	if testing.Short() { // as under the race detector
		step = 17
	}
	for at := 0; at < len(file); at += step {
		bit := byte(1) << r.IntN(8)
		f.WriteAt([]byte{file[at] ^ bit}, int64(at))
		if verify() == nil && !bytes.Equal(unpack(t, path), raw) {
			t.Errorf("byte %d of %d with bit %#x flipped passes", at, len(file), bit)
		}
		f.WriteAt(file[at:at+1], int64(at))
	}
}

func TestOpenTruncatedOrExtended(t *testing.T) {
	file, _ := smallPacked(t)
	path := writeFile(t, "packed", file)
	for n := len(file) - 1; n >= 0; n-- {
		if err := os.Truncate(path, int64(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil {
			t.Fatalf("%d of %d bytes were opened", n, len(file))
		}
	}
	for name, b := range map[string][]byte{
		"byte after":    append(bytes.Clone(file), 0),
		"byte before":   append([]byte{0}, file...),
		"frame before":  append([]byte{0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0}, file...),
		"itself before": append(bytes.Clone(file), file...),
	} {
		if err := verifyBytes(t, b); err == nil {
			t.Errorf("%s: passes", name)
		}
	}
}

func TestOpenOtherFiles(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": nil, "noise": noise(1, 1<<20), "zstd": filter(t, noise(1, 1000), "zstd"), "one byte": {1},
	} {
		if _, err := Open(writeFile(t, "other", b)); !errors.Is(err, ErrNotPacked) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, ErrNotPacked) {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open("/does/not/exist"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
}

func TestVerifyCancelled(t *testing.T) {
	p, _ := mustPack(t, writeFile(t, "raw", noise(1, 8<<20)), PackOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Verify(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Zero frames of every kind of length follow each other in one image.
func TestVerifyZeroRunsOfManyLengths(t *testing.T) {
	var buf bytes.Buffer
	pk := newPacker(&buf)
	enc, _ := newEncoder(Default)
	raw := noise(1, 100)
	data := bytes.Repeat(raw, blockSize/100+1)[:blockSize]
	frame := enc.EncodeAll(data, nil)
	for _, blocks := range []int64{4095, 4096, 4097, 1, 8192, 12288, 2, 4096} {
		if err := errors.Join(pk.zeros(blocks*blockSize), pk.block(frame, Sum(data), blockSize)); err != nil {
			t.Fatal(err)
		}
	}
	// Its frame is as long as that of the 4096 blocks before, and another.
	if err := pk.zeros(4095*blockSize + 200<<10); err != nil {
		t.Fatal(err)
	}
	if _, err := pk.finish(); err != nil {
		t.Fatal(err)
	}
	if err := verifyBytes(t, buf.Bytes()); err != nil {
		t.Error(err)
	}
	// One repeated byte that is not zero must be found in any of the runs.
	for at := bytes.IndexByte(buf.Bytes(), 0x38) + 13; at < 4096*4; at += 4099 * 4 {
		b := bytes.Clone(buf.Bytes())
		b[at] ^= 1
		if err := verifyBytes(t, b); err == nil {
			t.Errorf("byte %d changed passes", at)
		}
	}
}

func TestVerifyDisk(t *testing.T) {
	file, raw := smallPacked(t)
	p, err := Open(writeFile(t, "packed", file))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	m := p.Manifest()
	check := func(disk []byte) error {
		return VerifyDisk(t.Context(), m, strictDisk{t, disk}, int64(len(disk)), nil)
	}
	for _, extra := range []int{0, 512, 4096, 5 << 20} {
		if err := check(append(bytes.Clone(raw), noise(9, extra)...)); err != nil {
			t.Errorf("%d bytes after the image: %v", extra, err)
		}
	}
	for _, wrong := range [][]protocol.SBN{{0}, {1}, {protocol.SBN(m.Blocks() - 1)}, {2, 3, 10}} {
		disk := bytes.Clone(raw)
		for _, s := range wrong {
			disk[int(s)*blockSize+m.RawLen(s)-1] ^= 1
		}
		var e *MismatchError
		if err := check(disk); !errors.As(err, &e) || e.Wrong != len(wrong) || !slices.Equal(e.First, wrong) {
			t.Errorf("blocks %v are wrong: %v", wrong, err)
		}
	}
	var e *MismatchError
	if err := check(bytes.Repeat([]byte{1}, len(raw))); !errors.As(err, &e) || e.Wrong != m.Blocks() ||
		len(e.First) != maxMismatches || e.First[0] != 0 || !slices.IsSorted(e.First) {
		t.Errorf("everything is wrong: %v", err)
	}
	if err := check(raw[:len(raw)-1]); err == nil || errors.As(err, &e) || !strings.Contains(err.Error(), "cannot hold") {
		t.Errorf("disk too small: %v", err)
	}
}

// strictDisk refuses what direct I/O refuses.
type strictDisk struct {
	t *testing.T
	b []byte
}

func (d strictDisk) ReadAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	if off%blockSize != 0 || len(p)%sector != 0 && end != int64(len(d.b)) || end > int64(len(d.b)) || !aligned(p) {
		d.t.Errorf("read of %d bytes at %d of %d is not for direct I/O", len(p), off, len(d.b))
	}
	return copy(p, d.b[off:]), nil
}

func FuzzOpen(f *testing.F) {
	raw := append(alternating(3), make([]byte, 1<<20)...)
	_, path := mustPack(f, writeFile(f, "raw", raw), PackOptions{})
	file, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(file[len(file)-200:])
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := readManifest(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		// What was accepted is consistent: the seek table is the one that
		// the manifest implies.
		var sum int64
		n := 0
		for size := range m.frameSizes() {
			sum += int64(size)
			n++
		}
		if sum+seekTableSize(n) != int64(len(b)) {
			t.Fatalf("frames of %d bytes and a table of %d entries in a file of %d", sum, n, len(b))
		}
		if got := binary.LittleEndian.Uint32(b[len(b)-9:]); int(got) != n {
			t.Fatalf("%d frames, the table says %d", n, got)
		}
	})
}
