package receiver

import (
	"fmt"
	word "math/bits"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// Reuse says what becomes of blocks that are on the disk already.
type Reuse int

const (
	ReuseAuto   Reuse = iota // keep them, if a sample finds any
	ReuseAlways              // read the whole disk and keep them
	ReuseNever               // write every block
)

var reuses = [...]string{ReuseAuto: "auto", ReuseAlways: "always", ReuseNever: "never"}

func (r Reuse) String() string {
	if r < 0 || int(r) >= len(reuses) {
		return fmt.Sprintf("reuse %d", int(r))
	}
	return reuses[r]
}

// ParseReuse parses what String returns.
func ParseReuse(s string) (Reuse, error) {
	for r, name := range reuses {
		if name == s {
			return Reuse(r), nil
		}
	}
	return 0, fmt.Errorf("reuse %q: want auto, always or never", s)
}

// Check is how far the disk has been compared with the image.
type Check struct {
	Running bool
	Bytes   int64 // of the image that are known to be on the disk or not
	Equal   int64 // of those: on the disk before anything was written
}

const (
	// fewSamples is the sample of a disk that has its first block, which all runs
	// of ours erase first and write last: it holds some whole system, and if that is
	// a former state of the image, most blocks are equal. Of a disk that has a tenth
	// of them spread about, these find one in four of five cases.
	fewSamples = 32

	// mostSamples is that of one on which a run may have been cut off, and
	// sampleTime what either may take. A disk that has to move its head reads some
	// sixty places in that time, others all.
	mostSamples  = 256
	firstSamples = 16
	sampleTime   = 700 * time.Millisecond

	// A disk without its first block, and with something on the rest, is most
	// likely one on which a run of ours was cut off, and that may have written any
	// small part. So many blocks may lie between samples there (16 MiB, which with
	// the drawing comes to 64 at most). A disk that is too slow for so many is taken
	// for a foreign one, and searched beside what comes, for so much longer, while it
	// has nothing to write. To read all of it would take minutes, and save a few
	// seconds of fetching.
	closeSamples = 64
	moreTime     = 9 * time.Second

	// frontEach says that one of so many samples is for what lies before, denser
	// towards the front, where most runs begin to write.
	frontEach = 4

	// mostUnread is how many blocks may fail to be read before the rest counts
	// as not there: a dying disk takes many seconds for each.
	mostUnread = 8
)

// samples returns the data blocks to be read first, at most most: those at the
// front, since a run that was cut off early wrote these, and then others in an
// order of which every beginning is spread over the image. Some may come twice.
func samples(m *image.Manifest, r *rand.Rand, most int) []protocol.SBN {
	n := m.DataBlocks()
	var list []protocol.SBN
	for i := range min(firstSamples, n) {
		list = append(list, m.SBN(i))
	}
	width := word.Len(uint(max(n, 1) - 1))
	// What lies at multiples of a power of two is not like the rest of a file
	// system: the place within each part is drawn.
	part := max(1, 1<<width/most)
	for k, front := 0, firstSamples; k < 1<<width && len(list) < min(most, n); k++ {
		if n > most && len(list)%frontEach == 0 {
			if front += front / 2; front >= n {
				front = firstSamples + r.IntN(firstSamples)
			}
			if front < n {
				list = append(list, m.SBN(front))
			}
		}
		if i := int(word.Reverse32(uint32(k))>>(32-width)) + r.IntN(part); i >= firstSamples && i < n {
			list = append(list, m.SBN(i))
		}
	}
	return list
}

// scan decides which blocks of the disk are read, and when it is known what is
// lacking: after the sample of a foreign disk all at once, else block by block
// in the order of the disk. A search may find later that it is not foreign; then
// all that was not found yet goes on being lacking. It needs no clock and touches no disk. Its methods
// are safe for concurrent use.
type scan struct {
	mu      sync.Mutex
	m       *image.Manifest
	stage   stage
	samples []protocol.SBN // not read yet
	until   time.Time      // of sampling
	out     int            // samples being read
	at      int            // every data block before it is seen
	seen    *blockset.Set  // read, being read, about to be written, or zero
	equal   *blockset.Set  // on the disk
	found   []protocol.SBN // equal, and not told yet
	told    []protocol.SBN // memory for the next ones
	reading map[protocol.SBN]reading
	unread  int // blocks that could not be read
	check   Check
	begun   bool          // block 0 is blank, as Begin leaves it until all else is written, or is to be
	used    bool          // some block that was read is not blank
	open    bool          // all that was not found is told to be lacking
	decided chan struct{} // closed at the end of sampling
	sought  chan struct{} // closed at the end of searching
	over    chan struct{} // closed when no data block is to be read any more
}

type stage int

const (
	sampling  stage = iota
	searching       // sampling goes on while blocks come
	scanning
	scanned
)

// reading is a block that a worker reads.
type reading struct {
	block  *block // came meanwhile; nil none
	sample bool
}

func newScan(m *image.Manifest, reuse Reuse, now time.Time) *scan {
	c := &scan{
		m: m, until: now.Add(sampleTime), reading: map[protocol.SBN]reading{},
		seen: blockset.New(m.Blocks()), equal: blockset.New(m.Blocks()),
		decided: make(chan struct{}), sought: make(chan struct{}), over: make(chan struct{}),
	}
	for _, r := range m.Runs() {
		if r.Zero {
			c.seen.AddRange(int(r.First), int(r.First)+int(r.Blocks))
		}
	}
	switch reuse {
	case ReuseAuto:
		c.samples = samples(m, c.random(now), fewSamples)
	case ReuseNever:
		c.enter(scanned)
	}
	if c.stage == sampling && len(c.samples) == 0 {
		c.enter(scanning)
	}
	c.settle()
	return c
}

func (c *scan) random(now time.Time) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(now.UnixNano()), 0))
}

// head takes note of what is in place of block 0, foundBlank if that has no data
// in the image. It must come before the sample, whose time begins now: a disk
// that had to spin up for it has done so.
func (c *scan) head(is content, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = now.Add(sampleTime)
	if c.begun = is == foundBlank; c.begun && c.stage == sampling {
		c.samples = samples(c.m, c.random(now), c.closer())
	}
}

// closer is the sample of a disk on which a run may have been cut off.
func (c *scan) closer() int { return max(mostSamples, c.m.DataBlocks()/closeSamples) }

// enter goes on to a later stage.
func (c *scan) enter(s stage) {
	switch c.stage {
	case sampling:
		close(c.decided)
	case searching:
		close(c.sought)
	}
	if s == scanned {
		close(c.over)
	}
	c.stage = s
}

// ending returns what is closed when the present stage is over, if workers may wait
// for that.
func (c *scan) ending() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.stage {
	case sampling:
		return c.decided
	case searching:
		return c.sought
	}
	return nil
}

// foreign reports whether nothing of the image was found on the disk so far.
func (c *scan) foreign() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.check.Equal == 0
}

// settle ends a stage that has nothing left to do.
func (c *scan) settle() {
	if c.check.Equal > 0 || c.unread >= mostUnread {
		c.samples = nil // that is all they were to tell
	}
	if c.stage == searching {
		if c.at = c.seen.NextAbsent(c.at); c.at == c.seen.Len() {
			c.samples = nil
		}
	}
	if c.stage < scanning && len(c.samples) == 0 && c.out == 0 {
		if c.check.Equal == 0 {
			c.enter(scanned)
			return
		}
		c.enter(scanning)
	}
	if c.stage != scanning {
		return
	}
	if c.at = c.seen.NextAbsent(c.at); c.unread >= mostUnread || c.at == c.seen.Len() && len(c.reading) == 0 {
		c.enter(scanned)
	}
}

// next returns the block that a worker is to read now, and then to report by
// done. Before the sample is complete that goes before all else; a search comes last.
func (c *scan) next(now time.Time) (s protocol.SBN, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage < scanning && now.After(c.until) {
		if c.stage == sampling && c.begun && c.used && len(c.samples) > 0 && c.check.Equal == 0 {
			c.until, c.open = c.until.Add(moreTime), true
			c.enter(searching)
		} else {
			c.samples = nil
		}
	}
	for c.stage < scanning && len(c.samples) > 0 {
		s, c.samples = c.samples[0], c.samples[1:]
		if !c.seen.Has(int(s)) {
			c.out++
			c.seen.Add(int(s))
			c.reading[s] = reading{sample: true}
			return s, true
		}
	}
	if c.settle(); c.stage != scanning || c.at == c.seen.Len() {
		return 0, false
	}
	s = protocol.SBN(c.at)
	c.seen.Add(c.at)
	c.reading[s] = reading{}
	return s, true
}

// sampling reports whether it is not known yet what disk this is.
func (c *scan) sampling() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stage == sampling
}

// claim has a worker read block s, which nobody has seen, and report by done.
func (c *scan) claim(s protocol.SBN) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen.Add(int(s))
	c.reading[s] = reading{}
}

// fate is what is to be done with a complete block.
type fate int

const (
	writeIt   fate = iota
	readFirst      // what is there, and report by done, which returns the block
	dropIt         // it is on the disk
	leaveIt        // somebody reads that place just now and gets the block from done
)

// take decides what becomes of a block that came complete.
func (c *scan) take(b *block) fate {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := int(b.sbn)
	if r, ok := c.reading[b.sbn]; ok && r.block == nil {
		r.block = b
		c.reading[b.sbn] = r
		return leaveIt
	}
	if c.equal.Has(s) {
		return dropIt
	}
	if c.stage == scanned || c.seen.Has(s) {
		return writeIt
	}
	c.seen.Add(s)
	if c.stage == searching {
		return writeIt
	}
	c.reading[b.sbn] = reading{block: b}
	return readFirst
}

// content is what is on the disk where a block is to be.
type content int

const (
	foundOther  content = iota
	foundBlank          // nothing but zeros, or the end of a file
	foundEqual          // the block
	foundUnread         // it can't be read
)

// done takes note of what is on the disk in place of block s. It returns the
// block that came meanwhile, if one did: it is now the caller's.
func (c *scan) done(s protocol.SBN, is content) *block {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.reading[s]
	delete(c.reading, s)
	if r.sample {
		c.out--
	}
	switch is {
	case foundUnread:
		c.unread++
	case foundOther:
		c.used = true
	}
	n := int64(c.m.RawLen(s))
	if c.check.Bytes += n; is == foundEqual {
		c.check.Equal += n
		c.equal.Add(int(s))
		c.found = append(c.found, s)
	}
	c.settle()
	return r.block
}

// tell returns the blocks that were found since the last time, until the next
// time. Blocks before to that were not found are lacking; of others nothing is
// known.
func (c *scan) tell() (found []protocol.SBN, to protocol.SBN) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, c.found, c.told = c.found, c.told[:0], c.found
	switch {
	case c.stage == sampling:
		return found, 0
	case c.stage == scanned, c.open:
		return found, protocol.SBN(c.seen.Len())
	}
	to = protocol.SBN(c.at)
	for s := range c.reading {
		to = min(to, s)
	}
	return found, to
}

// progress returns how far the check of the data blocks is.
func (c *scan) progress() Check {
	c.mu.Lock()
	defer c.mu.Unlock()
	check := c.check
	check.Running = c.stage == sampling || c.stage == scanning
	return check
}

// checked takes over what the workers know of the disk by now.
func (s *session) checked(now time.Time) {
	if s.pipe.scan == nil {
		return
	}
	o := &s.collector.objects[protocol.ObjectImage]
	before := o.to
	found, to := s.pipe.scan.tell()
	o.to = to
	for _, b := range found {
		s.collector.found(b)
		s.store.add(b)
	}
	if before == 0 && o.to > 0 {
		s.reportAt = s.soon(now) // the sender may be waiting for what is lacking
	}
}
