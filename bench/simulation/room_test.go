// Package simulation runs whole rooms, one sender and its receivers, in one
// process on a simulated network and in simulated time. A failing seed replays.
package simulation

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/pxecast/pxecast/sender"
)

// gigabit is the rate of every cable in the rooms here.
const gigabit = 1_000_000_000

// picture is a disk image and what it packs to.
type picture struct {
	raw    []byte
	packed *image.Packed
}

// newPicture makes an image of size bytes: runs of noise, of text, and of
// zeros, from the seed.
func newPicture(t testing.TB, seed uint64, size int, noise bool) *picture {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	raw := make([]byte, size)
	for at := 0; at < size; {
		n := min(size-at, 1+r.IntN(3*protocol.BlockSize))
		p := raw[at : at+n]
		switch kind := r.IntN(4); {
		case kind < 2 || noise:
			for i := range p {
				p[i] = byte(r.Uint32())
			}
		case kind == 2:
			for i := range p {
				p[i] = "all work and no play "[r.IntN(21)]
			}
		}
		at += n
	}
	return pictureOf(t, raw)
}

// pictureOf packs a disk image.
func pictureOf(t testing.TB, raw []byte) *picture {
	t.Helper()
	folder := t.TempDir()
	file := filepath.Join(folder, "disk.img")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	packed, err := image.Pack(t.Context(), file, file+".zst", image.PackOptions{Level: image.Default})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packed.Close() })
	return &picture{raw, packed}
}

// room is one simulated room.
type room struct {
	*testing.T
	net     *simnet.Net
	server  *simnet.Host
	key     *trust.Key
	picture *picture
	sender  sender.Config

	running sync.WaitGroup
	cancel  context.CancelFunc
	*outcome
	pcs []*pc
}

// outcome is how the sender ended that was started last.
type outcome struct {
	status sender.Status
	err    error
}

// pc is one receiving machine.
type pc struct {
	host   *simnet.Host
	disk   *memoryDisk
	thin   *thinDisk       // instead of disk
	other  receiver.Target // instead of disk
	config receiver.Config
	cancel context.CancelFunc
	done   chan struct{}
	status receiver.Status
	err    error
	took   time.Duration
	ended  time.Time
	cut    time.Time // power
}

// simulate runs play in a room of its own. When it returns, everything that
// it started must have ended by itself within an hour of simulated time.
func simulate(t *testing.T, seed uint64, p *picture, opts simnet.Options, play func(r *room)) {
	t.Helper()
	if raced && !played.chosen(t.Name()) {
		t.Skip("enough rooms of this kind for the race detector")
	}
	synctest.Test(t, func(t *testing.T) {
		key, err := trust.Generate()
		if err != nil {
			t.Fatal(err)
		}
		r := &room{T: t, net: simnet.New(seed, opts), key: key, picture: p, outcome: new(outcome)}
		defer r.net.Close()
		r.server = r.net.Host("server")
		r.server.SetOut(simnet.Link{Rate: gigabit})
		r.sender = sender.Config{Network: r.server, Source: p.packed, Key: key, Name: "lab", Parity: -1, MaxWait: time.Minute, Linger: time.Second}
		play(r)
	})
}

// played counts the subtests of each test that have played a room.
var played = siblings{names: map[string]int{}, of: map[string]int{}}

type siblings struct {
	mu    sync.Mutex
	names map[string]int // which one of its siblings a subtest is
	of    map[string]int // how many subtests a test has had
}

// chosen reports whether a test is not a subtest, or the first one of six.
func (s *siblings) chosen(name string) bool {
	parent := path.Dir(name)
	if parent == "." {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.names[name]; !known {
		s.names[name] = s.of[parent]
		s.of[parent]++
	}
	return s.names[name]%6 == 0
}

// send starts the sender. What became of it is known after finish; one that was
// killed before and is still ending has an outcome of its own.
func (r *room) send() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	r.cancel, r.outcome = cancel, new(outcome)
	config, ended := r.sender, r.outcome
	r.running.Go(func() {
		defer cancel()
		ended.status, ended.err = sender.Run(ctx, config)
	})
}

// join switches a new machine on, with its cable as given.
func (r *room) join(cable simnet.Link) *pc {
	p := &pc{disk: &memoryDisk{data: make([]byte, len(r.picture.raw))}, done: make(chan struct{})}
	p.host = r.net.Host(fmt.Sprintf("pc%d", len(r.pcs)+1))
	if cable.Rate == 0 {
		cable.Rate = gigabit
	}
	cable.Queue = 1 << 20
	p.host.SetIn(cable)
	p.config = receiver.Config{Network: p.host, ID: protocol.ReceiverID(len(r.pcs) + 1), Name: p.host.Name(), Memory: 64 << 20}
	r.pcs = append(r.pcs, p)
	r.start(p)
	return p
}

func (r *room) start(p *pc) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	p.cancel = cancel
	r.running.Go(func() {
		defer close(p.done)
		defer cancel()
		begin := time.Now()
		heard := make(chan receiver.Heard, 1)
		listening, stop := context.WithCancel(ctx)
		receiver.Discover(listening, p.host, p.config.Server, func(h receiver.Heard) {
			select {
			case heard <- h:
				stop()
			default:
			}
		})
		stop()
		select {
		case h := <-heard:
			p.status, p.err = receiver.Run(ctx, p.config, h, p.target())
		default:
			p.err = ctx.Err()
		}
		p.took, p.ended = time.Since(begin), time.Now()
	})
}

// pass lets simulated time pass. It is synctest's clock: nothing waits for it in
// earnest, and no machine is too slow for it.
func pass(d time.Duration) { <-time.After(d) }

// finish waits for all to end.
func (r *room) finish() { r.running.Wait() }

// identical checks that every machine ended well and holds the image.
func (r *room) identical() {
	r.Helper()
	if r.err != nil {
		r.Errorf("sender: %v", r.err)
	}
	for i, p := range r.pcs {
		if p.err != nil {
			r.Errorf("pc%d: %v", i+1, p.err)
		} else if !p.holds(r.picture.raw) {
			r.Errorf("pc%d: its disk differs from the image", i+1)
		}
	}
	for _, m := range r.status.Receivers {
		if m.State != protocol.ReceiverDone {
			r.Errorf("sender's table: %s is %v (%s)", m.Name, m.State, m.Error)
		}
	}
	if len(r.status.Receivers) != len(r.pcs) {
		r.Errorf("sender's table has %d receivers, want %d", len(r.status.Receivers), len(r.pcs))
	}
}

// overhead returns the bytes of symbols sent over those of the packed image.
func (r *room) overhead() float64 {
	payload := r.status.Traffic.Bytes - r.status.Traffic.Packets*protocol.DataHeaderSize
	return float64(payload) / float64(r.picture.packed.Manifest().PackedSize())
}

// memoryDisk is a disk whose writes survive only once flushed.
type memoryDisk struct {
	mu      sync.Mutex
	data    []byte
	first   []byte // block 0, held back
	begun   bool
	done    bool
	rate    int64 // bytes a second; 0 no limit
	broken  error // returned by the next write
	lie     int   // this byte is not kept as written; 0 none
	written int64
}

func (d *memoryDisk) Begin() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
	return nil
}

func (d *memoryDisk) WriteBlock(off int64, p []byte) error {
	if d.rate > 0 {
		pass(time.Duration(int64(len(p)) * int64(time.Second) / d.rate))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.begun || d.done {
		panic("written before Begin or after Finish")
	}
	if d.broken != nil {
		return d.broken
	}
	d.written += int64(len(p))
	if off == 0 {
		d.first = bytes.Clone(p)
		return nil
	}
	copy(d.data[off:], p)
	if at := d.lie - int(off); d.lie != 0 && at >= 0 && at < len(p) {
		d.data[d.lie] ^= 1
	}
	return nil
}

func (d *memoryDisk) Zero(_ context.Context, off, n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.data[off : off+n])
	return nil
}

func (d *memoryDisk) Flush() error { return nil }

func (d *memoryDisk) Finish() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.data, d.first)
	d.done = true
	return nil
}

func (d *memoryDisk) Held(off, _ int64) bool { return off == 0 }

func (d *memoryDisk) Erased(off, _ int64) bool { return off == 0 }

func (d *memoryDisk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := copy(p, d.data[off:])
	if !d.done && off == 0 {
		copy(p, d.first)
	}
	return n, nil
}

func (d *memoryDisk) holds(raw []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done == d.begun && bytes.Equal(d.data, raw) // one that held it is left alone
}
