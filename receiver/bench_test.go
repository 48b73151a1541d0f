package receiver

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// touched fails the test when anything is done to it.
type touched struct {
	paper
	t *testing.T
}

func (d touched) Begin() error {
	d.t.Error("the disk was opened")
	return nil
}

// TestBenchNeverReachesADisk: a synthetic image is refused by every target that
// keeps anything, before a socket is opened or a byte is written.
func TestBenchNeverReachesADisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	old := make([]byte, 1<<20)
	rand.NewChaCha8([32]byte{1}).Read(old)
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	m := imagetest.Manifest(t, 100, 200, 300)
	h := Heard{Announce: *announceOf(m, protocol.DefaultSymbolSize)}
	h.Bench = true
	file, err := disk.Lock(path, h.RawSize)
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]Target{"a file": file, "a target that does not say what it is": touched{t: t}} {
		if _, err := Run(context.Background(), Config{}, h, target); !errors.Is(err, ErrBench) {
			t.Errorf("%s: %v, want %v", name, err, ErrBench)
		}
	}
	file.Close()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, old) {
		t.Errorf("the file was changed (%v)", err)
	}
	if !keepsNothing(disk.OpenDiscard(h.RawSize)) {
		t.Error("discard may not take part in a bench")
	}
}

// A session that began as one for disks never becomes a bench, nor the other way
// round.
func TestBenchIsNotChangedByALaterAnnouncement(t *testing.T) {
	s, _ := newTestSession(imagetest.Manifest(t, 100), nil)
	later := s.begun
	later.Counter, later.Bench, later.State = 1, true, protocol.SessionCancelled
	if err := s.heardAgain(later, time.Time{}); err != nil || s.heard.Counter != 0 {
		t.Errorf("believed, %v", err)
	}
}

// Reports name the latest gaps in a bench and only there.
func TestReportsNameGapsInABench(t *testing.T) {
	key, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, bench := range []bool{false, true} {
		s, c := newTestSession(imagetest.Manifest(t, 100), key)
		s.begun.Bench, s.heard.IntervalMS = bench, 20
		for _, q := range []protocol.Seq{1, 2, 5, 6, 9} {
			s.collector.see(q)
		}
		s.pipe.decoding.Store(int64(1500 * time.Millisecond))
		s.pipe.writing.Store(int64(20 * time.Millisecond))
		s.send(time.Now())
		var r protocol.Report
		if err := protocol.ParseReport(c.sent[0], &r); err != nil {
			t.Fatal(err)
		}
		want := 0
		if bench {
			want = 2
		}
		if len(r.Recent) != want || r.AsOf != 9 {
			t.Errorf("bench %v: gaps %v as of %d", bench, r.Recent, r.AsOf)
		}
		if n := r.Counters; n.Gaps != 2 || n.Longest != 2 || n.Decoding != 1500 || n.Writing != 20 || n.Stray != protocol.StrayUnknown || r.Workers != 1 || r.Cores == 0 {
			t.Errorf("bench %v: %+v, %d workers, %d cores", bench, n, r.Workers, r.Cores)
		}
	}
}
