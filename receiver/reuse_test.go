package receiver

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

func TestReuseParses(t *testing.T) {
	for _, r := range []Reuse{ReuseAuto, ReuseAlways, ReuseNever} {
		if got, err := ParseReuse(r.String()); got != r || err != nil {
			t.Errorf("%v is parsed as %v, %v", r, got, err)
		}
	}
	if _, err := ParseReuse("sometimes"); err == nil {
		t.Error("sometimes is taken")
	}
}

// TestSamplesAreSpread: whatever the time allows of them, the sample leaves no
// large part of the image out.
func TestSamplesAreSpread(t *testing.T) {
	for _, blocks := range []int{1, 2, 15, 16, 17, 255, 256, 257, 1000, 4096, 400_000} {
		frames := make([]int, blocks)
		for i := range frames {
			frames[i] = 14
		}
		m := imagetest.Manifest(t, frames...)
		few := samples(m, rand.New(rand.NewPCG(1, uint64(blocks))), fewSamples)
		if want := min(blocks, fewSamples); len(few) != want {
			t.Errorf("%d samples of %d blocks, want %d", len(few), blocks, want)
		}
		list := samples(m, rand.New(rand.NewPCG(1, uint64(blocks))), mostSamples)
		if want := min(blocks, mostSamples); len(list) != want {
			t.Errorf("%d samples of %d blocks, want %d", len(list), blocks, want)
		}
		for i := range min(firstSamples, blocks) {
			if list[i] != protocol.SBN(i) {
				t.Errorf("of %d blocks sample %d is block %d", blocks, i, list[i])
			}
		}
		for _, part := range []int{60, 120, mostSamples} {
			some := slices.Clone(list[:min(part, len(list))])
			some = append(some, 0, protocol.SBN(blocks))
			slices.Sort(some)
			widest := 0
			for i, s := range some[1:] {
				widest = max(widest, int(s-some[i]))
			}
			if most := 4*blocks/part + 2; widest > most {
				t.Errorf("the first %d of the samples of %d blocks leave out %d in a row, want at most %d", part, blocks, widest, most)
			}
		}
	}
}

// TestScanTellsInOrder: nothing is told of a block before it and all before it
// have been read, whatever the order in which they were.
func TestScanTellsInOrder(t *testing.T) {
	frames := make([]int, 300)
	for i := range frames {
		frames[i] = 14 * (i % 7 & 1) // zero runs in between
	}
	m := imagetest.Manifest(t, frames...)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		c := newScan(m, ReuseAlways, time.Now())
		var out []protocol.SBN
		read, told := map[protocol.SBN]bool{}, map[protocol.SBN]bool{}
		for last := protocol.SBN(0); ; {
			if s, ok := c.next(time.Now()); ok {
				out = append(out, s)
			}
			if n := len(out); n > 8 || n > 0 && r.IntN(3) == 0 {
				i := r.IntN(n)
				read[out[i]] = true
				c.done(out[i], content(r.IntN(3)))
				out = slices.Delete(out, i, i+1)
			}
			found, to := c.tell()
			for _, s := range found {
				if !read[s] || told[s] {
					t.Fatalf("block %d is told, read: %v, told before: %v", s, read[s], told[s])
				}
				told[s] = true
			}
			if to < last {
				t.Fatalf("told up to %d after %d", to, last)
			}
			for ; last < to; last++ {
				if _, data := m.Index(last); data && !read[last] {
					t.Fatalf("told up to %d, block %d has not been read", to, last)
				}
			}
			if int(to) == m.Blocks() {
				break
			}
		}
		select {
		case <-c.over:
		default:
			t.Error("all is told and the scan is not over")
		}
		if n := m.DataBlocks(); len(read) != n || c.foreign() == (len(told) > 0) {
			t.Errorf("%d of %d blocks were read, %d found", len(read), n, len(told))
		}
	}
}

// TestThrottle: bookings are paid for in turn, and a rest earns little.
func TestThrottle(t *testing.T) {
	now := time.Now()
	th := throttle{rate: 1000}
	th.book(now, 0)
	th.paid = now
	for i, c := range []struct {
		after time.Duration
		bytes int64
		want  time.Duration
	}{
		{0, 500, 0},
		{0, 250, 500 * time.Millisecond},
		{100 * time.Millisecond, 250, 650 * time.Millisecond},
		{900 * time.Millisecond, 100, 0},
		{time.Hour, 1000, 0},
		{0, 1, time.Second - credit},
	} {
		now = now.Add(c.after)
		if got := th.book(now, c.bytes); got != c.want {
			t.Errorf("booking %d waits for %v, want %v", i, got, c.want)
		}
	}
	if free := (&throttle{}); free.book(now, 1<<40) != 0 || free.book(now, 1) != 0 {
		t.Error("no limit limits")
	}
}

// TestCutOffRunIsFound: on a disk that was in use and whose first block is blank,
// or is to be, a run was cut off. Whatever 64 MiB it wrote are found within ten seconds also on a disk
// that takes 12 ms for each place; on a new disk, or another's, nobody looks for
// longer than usual. Nothing waits for that longer than for another's disk.
func TestCutOffRunIsFound(t *testing.T) {
	const blocks, piece = 60_000, 256
	frames := make([]int, blocks)
	for i := range frames {
		frames[i] = 14
	}
	whole := imagetest.Manifest(t, frames...)
	frames[0] = 0
	headless := imagetest.Manifest(t, frames...)
	r := rand.New(rand.NewPCG(1, 9))
	for _, c := range []struct {
		name        string
		m           *image.Manifest
		head, rest  content
		written     int // blocks in a row
		found       bool
		least, most time.Duration
	}{
		{"cut off", whole, foundBlank, foundOther, piece, true, 0, 10 * time.Second},
		{"cut off before it wrote any", whole, foundBlank, foundOther, 0, false, time.Second, 10 * time.Second},
		{"cut off, and the first block is to be blank", headless, foundBlank, foundOther, piece, true, 0, 10 * time.Second},
		{"new", whole, foundBlank, foundBlank, 0, false, 0, time.Second},
		{"another's", whole, foundOther, foundOther, 0, false, 0, time.Second},
	} {
		for range 30 {
			first := 1 + r.IntN(blocks-piece-1)
			begun := time.Now()
			now := begun
			s := newScan(c.m, ReuseAuto, now)
			s.head(c.head, now)
			if c.m == whole {
				s.claim(0)
				s.done(0, c.head)
			}
			waited := time.Duration(0)
			for s.stage < scanning {
				b, ok := s.next(now)
				if !ok {
					break
				}
				now = now.Add(12 * time.Millisecond)
				if s.sampling() {
					waited = now.Sub(begun)
				}
				if is := c.rest; int(b) >= first && int(b) < first+c.written {
					s.done(b, foundEqual)
				} else {
					s.done(b, is)
				}
			}
			if took := now.Sub(begun); s.foreign() == c.found || took < c.least || took > c.most || waited > time.Second {
				t.Errorf("%s, %d blocks from %d on: found %v after %v, it was waited for %v", c.name, c.written, first, !s.foreign(), took, waited)
			}
		}
	}
}

// searched returns a scan of a slow disk of that many data blocks whose first is
// blank, while it is searched.
func searched(t *testing.T, blocks int) (c *scan, now time.Time) {
	t.Helper()
	frames := make([]int, blocks)
	for i := range frames {
		frames[i] = 14
	}
	now = time.Now()
	c = newScan(imagetest.Manifest(t, frames...), ReuseAuto, now)
	c.claim(0)
	c.head(foundBlank, now)
	c.done(0, foundBlank)
	s, _ := c.next(now)
	c.done(s, foundOther)
	now = now.Add(sampleTime + 1)
	if s, ok := c.next(now); !ok || c.stage != searching {
		t.Fatalf("stage %d, next %d %v", c.stage, s, ok)
	} else {
		c.done(s, foundOther)
	}
	return c, now
}

// TestSearchHoldsNothingUp: while a disk is searched all is lacking, and what
// comes is written unread, and is not read afterwards. What is found then is told, and the rest
// of the disk is read in order, and is lacking until it is found.
func TestSearchHoldsNothingUp(t *testing.T) {
	const blocks = 500
	c, now := searched(t, blocks)
	if found, to := c.tell(); len(found) > 0 || to != blocks {
		t.Fatalf("told of %d blocks, lacking up to %d", len(found), to)
	}
	if c.progress().Running {
		t.Error("it says that it checks the disk")
	}
	came := map[protocol.SBN]bool{}
	for s := protocol.SBN(300); len(came) < 50; s++ {
		if c.seen.Has(int(s)) {
			continue
		}
		if came[s] = true; c.take(&block{sbn: s}) != writeIt {
			t.Fatalf("block %d, which came, is not written", s)
		}
	}
	ending := c.ending()
	s, _ := c.next(now)
	b := &block{sbn: s}
	if came[s] || c.take(b) != leaveIt || c.done(s, foundEqual) != b {
		t.Fatalf("block %d came while it was read", s)
	}
	select {
	case <-ending:
	default:
		t.Fatal("who waits for the search is not told that it is over")
	}
	if found, to := c.tell(); !slices.Equal(found, []protocol.SBN{s}) || to != blocks {
		t.Fatalf("told of %v, lacking up to %d", found, to)
	}
	for {
		s, ok := c.next(now)
		if !ok {
			break
		}
		if came[s] {
			t.Errorf("block %d is read, which was written", s)
		}
		c.done(s, foundEqual)
	}
	select {
	case <-c.over:
	default:
		t.Error("not over though all is read")
	}
}

// TestSearchEnds when its time is over, and when all has come.
func TestSearchEnds(t *testing.T) {
	c, now := searched(t, 500)
	if _, ok := c.next(now.Add(moreTime + 1)); ok || c.stage != scanned {
		t.Errorf("stage %d after all its time", c.stage)
	}
	c, now = searched(t, 500)
	for s := range protocol.SBN(500) {
		if !c.seen.Has(int(s)) {
			c.take(&block{sbn: s})
		}
	}
	if _, ok := c.next(now); ok || c.stage != scanned {
		t.Errorf("stage %d though all has come", c.stage)
	}
}
