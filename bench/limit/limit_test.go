package limit

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// tiny is an image of some blocks of noise, one that compresses, zeros, and a
// short last block.
func tiny(t *testing.T) *image.Packed {
	t.Helper()
	var seed [32]byte
	raw := make([]byte, 8*protocol.BlockSize+1000)
	rand.NewChaCha8(seed).Read(raw[:3*protocol.BlockSize])
	copy(raw[3*protocol.BlockSize:], bytes.Repeat([]byte("disk"), protocol.BlockSize/4))
	raw[len(raw)-1] = 1
	in := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(in, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := image.Pack(t.Context(), in, in+".zst", image.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestEveryStageIsMeasured(t *testing.T) {
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	const receivers = 2
	dir, procs := t.TempDir(), runtime.GOMAXPROCS(0)
	l, err := Measure(t.Context(), "tiny", tiny(t), receivers, dir)
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{report.StageSend: 1, report.StageReceive: receivers, report.StageDecode: receivers,
		report.StageDigest: receivers, report.StageWrite: receivers}
	var sum float64
	for _, s := range l.Stages {
		if s.SecondsPerGB <= 0 || s.Times != times[s.Name] {
			t.Errorf("%s: %d times %g s per GB, want %d times something", s.Name, s.Times, s.SecondsPerGB, times[s.Name])
		}
		sum += s.SecondsPerGB * float64(s.Times)
		delete(times, s.Name)
	}
	if len(times) > 0 {
		t.Errorf("not measured: %v", times)
	}
	if want := float64(runtime.NumCPU()) / sum * 1000; math.Abs(l.MBPerS-want) > 1e-9*want {
		t.Errorf("limit is %g MB/s, its stages make %g", l.MBPerS, want)
	}
	if l.Image != "tiny" || l.Receivers != receivers || l.Cores != runtime.NumCPU() {
		t.Errorf("limit of %s, %d receivers, %d cores", l.Image, l.Receivers, l.Cores)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if runtime.GOMAXPROCS(0) != procs {
		t.Errorf("GOMAXPROCS is %d, was %d", runtime.GOMAXPROCS(0), procs)
	}
}

func TestDatagramsAreThoseOfASession(t *testing.T) {
	m := tiny(t).Manifest()
	var frames, bytes int64
	var datagrams, want int
	for i := range m.DataBlocks() {
		frames += int64(m.FrameLen(i))
		want += protocol.LayoutOf(m.FrameLen(i), protocol.DefaultSymbolSize).K
	}
	for _, w := range windows(m) {
		for _, train := range w.trains {
			if err := train.Validate(); err != nil {
				t.Error(err)
			}
		}
		bytes += w.bytes
		datagrams += w.datagrams
	}
	if bytes != frames || datagrams != want {
		t.Errorf("%d bytes in %d datagrams, want %d in %d", bytes, datagrams, frames, want)
	}
}

func TestTrainsAreAsLongAsASessions(t *testing.T) {
	if n := trainLength(protocol.DataHeaderSize + protocol.DefaultSymbolSize); n != 43 {
		t.Errorf("%d datagrams in a train, want 43", n)
	}
}

func TestADamagedImageIsNoMeasure(t *testing.T) {
	p := tiny(t)
	f, err := os.OpenFile(p.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{1, 2, 3}, p.Manifest().FrameOffset(1)+1000); err != nil {
		t.Fatal(err)
	}
	if _, err := blockStages(t.Context(), p, t.TempDir()); err == nil {
		t.Error("blocks that are not the image's were measured")
	}
}
