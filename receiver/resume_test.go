package receiver

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

const blockSize = protocol.BlockSize

// picture is an image and what it packs to.
type picture struct {
	raw    []byte
	packed *image.Packed
}

// newPicture packs an image of these blocks, d with data and 0 of zeros; the
// last one is cut short by so many bytes. Few symbols make a block.
func newPicture(t testing.TB, blocks string, short int) *picture {
	t.Helper()
	raw := make([]byte, len(blocks)*blockSize-short)
	noise := rand.NewChaCha8([32]byte{3})
	for i, kind := range blocks {
		if kind == 'd' {
			noise.Read(raw[i*blockSize:][:4096])
		}
	}
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	packed, err := image.Pack(t.Context(), path, path+".zst", image.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return &picture{raw, packed}
}

// platter is a disk in memory that says what was done to it.
type platter struct {
	testing.TB
	mu          sync.Mutex
	data        []byte
	image       int // bytes of it
	begun, done bool
	head        []byte // block 0 until Finish
	read        map[int]int
	written     map[int]int  // zeroed blocks too
	busy        map[int]int  // reads of a block under way; -1 a write
	broken      map[int]bool // blocks that can't be read
	slow        time.Duration
}

func newPlatter(t testing.TB, data []byte, image int) *platter {
	return &platter{TB: t, data: data, image: image, read: map[int]int{}, written: map[int]int{}, busy: map[int]int{}, broken: map[int]bool{}}
}

func (d *platter) Erased(off, n int64) bool {
	return off < blockSize || off+n > int64(len(d.data))-1<<20
}

func (d *platter) Held(off, _ int64) bool { return off == 0 && !d.done }

func (d *platter) Begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun {
		d.Error("begun twice")
	}
	d.begun = true
	clear(d.data[:min(blockSize, len(d.data))])
	clear(d.data[max(0, len(d.data)-1<<20):])
	return nil
}

func (d *platter) WriteBlock(off int64, p []byte) error {
	d.change(int(off), len(p), func() {
		if off == 0 {
			d.head = bytes.Clone(p)
		} else {
			copy(d.data[off:], p)
		}
	})
	return nil
}

func (d *platter) Zero(_ context.Context, off, n int64) error {
	d.change(int(off), int(n), func() { clear(d.data[off : off+n]) })
	return nil
}

// change writes [off, off+n), which takes a while.
func (d *platter) change(off, n int, write func()) {
	blocks := (n + blockSize - 1) / blockSize
	d.mu.Lock()
	if !d.begun || d.done {
		d.Errorf("written at %d before Begin or after Finish", off)
	}
	for b := off / blockSize; b < off/blockSize+blocks; b++ {
		if d.busy[b] != 0 {
			d.Errorf("block %d is written while it is read or written", b)
		}
		d.busy[b] = -1
		d.written[b]++
	}
	d.mu.Unlock()
	d.pass()
	d.mu.Lock()
	defer d.mu.Unlock()
	write()
	for b := off / blockSize; b < off/blockSize+blocks; b++ {
		d.busy[b] = 0
	}
}

// pass lets simulated time pass.
func (d *platter) pass() {
	if d.slow > 0 {
		<-time.After(d.slow)
	}
}

func (d *platter) ReadAt(p []byte, off int64) (int, error) {
	b := int(off / blockSize)
	d.mu.Lock()
	if d.busy[b] < 0 {
		d.Errorf("block %d is read while it is written", b)
	}
	d.busy[b]++
	d.read[b]++
	d.mu.Unlock()
	d.pass()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy[b]--
	if d.broken[b] {
		return 0, fmt.Errorf("block %d: medium error", b)
	}
	n := copy(p, d.data[min(int(off), len(d.data)):])
	if off == 0 && d.head != nil {
		copy(p, d.head)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *platter) Flush() error { return nil }

func (d *platter) Finish() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun {
		d.Error("finished though nothing was begun")
	}
	copy(d.data, d.head)
	d.done = true
	return nil
}

// lesson is a session that a sender, who hears its reports, tells what it
// lacks.
type lesson struct {
	*testing.T
	*session
	tap     *tap
	picture *picture
	others  []int                // data blocks that others ask for, one a step
	asked   map[protocol.SBN]int // by our reports
	first   time.Duration        // until something was
	took    time.Duration
	seq     protocol.Seq
	last    Status
}

// resume receives a picture to a target in simulated time.
func resume(t *testing.T, p *picture, target Target, change func(l *lesson)) (l *lesson) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m := p.packed.Manifest()
		s, tap := newTestSession(m, nil)
		s.size, s.admitted = 1472, true
		s.pipe = newPipeline(target, leastMemory/class+1)
		l = &lesson{T: t, session: s, tap: tap, picture: p, asked: map[protocol.SBN]int{}}
		s.cfg.Workers = 4
		if change != nil {
			change(l)
		}
		copy(s.bytes, m.Bytes())
		s.collector.objects[protocol.ObjectManifest].have.AddRange(0, protocol.Blocks(int64(len(m.Bytes()))))
		ctx, cancel := context.WithCancel(t.Context())
		defer s.pipe.wait.Wait()
		defer cancel()
		begun := time.Now()
		for step := 0; s.state != protocol.ReceiverDone; step++ {
			now := time.Now()
			s.heardAt, s.dataAt, s.symbolAt = now, now, now
			if err := s.step(ctx, now); err != nil {
				t.Fatal(err)
			}
			if step > 20_000 {
				t.Fatalf("not done: %+v", s.status(now))
			}
			if l.answer(); l.first == 0 && len(l.asked) > 0 {
				l.first = time.Since(begun)
			}
			<-time.After(5 * time.Millisecond)
		}
		l.last, l.took = s.status(time.Now()), time.Since(begun)
	})
	return l
}

// answer sends what the reports since the last time say is lacking.
func (l *lesson) answer() {
	for _, d := range l.tap.sent {
		var r protocol.Report
		if err := protocol.ParseReport(d, &r); err != nil {
			l.Fatal(err)
		}
		if r.Object != protocol.ObjectImage || r.AsOf < l.seq {
			continue
		}
		for _, d := range r.Deficits {
			for s := d.First; s < d.First+protocol.SBN(d.Count); s++ {
				if _, data := l.picture.packed.Manifest().Index(s); !data {
					continue
				}
				if l.asked[s]++; l.spare() > protocol.MaxFrame {
					l.send(s)
				}
			}
		}
	}
	l.tap.sent = nil
	l.collector.hear(l.seq)
	if len(l.others) > 0 {
		l.send(protocol.SBN(l.others[0]))
		l.others = l.others[1:]
	}
}

// send delivers all source symbols of a block.
func (l *lesson) send(s protocol.SBN) {
	m := l.picture.packed.Manifest()
	i, _ := m.Index(s)
	frame, err := l.picture.packed.ReadFrame(i, make([]byte, m.FrameLen(i)))
	if err != nil {
		l.Fatal(err)
	}
	layout := protocol.LayoutOf(len(frame), protocol.DefaultSymbolSize)
	for e := range layout.K {
		l.seq++
		at := e * layout.Size
		d := protocol.Data{Session: 7, Object: protocol.ObjectImage, SBN: s, ESI: protocol.ESI(e), FrameLen: len(frame), Seq: l.seq,
			Symbol: frame[at : at+layout.Len(protocol.ESI(e))]}
		b, err := d.AppendBinary(nil)
		if err != nil {
			l.Fatal(err)
		}
		l.datagram(b)
	}
}

// differing returns the data blocks in which a disk is not the image.
func (p *picture) differing(disk []byte) map[protocol.SBN]bool {
	list := map[protocol.SBN]bool{}
	m := p.packed.Manifest()
	for i := range m.DataBlocks() {
		s := m.SBN(i)
		at := int(s) * blockSize
		want := p.raw[at : at+m.RawLen(s)]
		if at+len(want) > len(disk) || !bytes.Equal(disk[at:at+len(want)], want) {
			list[s] = true
		}
	}
	return list
}

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
		{ReuseAuto, time.Millisecond, 180, mostSamples + 6},
		{ReuseAuto, 40 * time.Millisecond, 40, 80},
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
