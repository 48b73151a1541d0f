package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
	"github.com/pxecast/pxecast/sender"
)

// evening is a server's sessions on a simulated network, in simulated time.
type evening struct {
	*testing.T
	net    *simnet.Net
	over   context.CancelFunc
	images []string // files of packed images
	ids    []image.ID
	*sessions

	mu    sync.Mutex
	ends  []sender.Status
	group sync.WaitGroup // of machines
}

// play simulates an evening with so many images.
func play(t *testing.T, images int, do func(e *evening)) {
	t.Helper()
	files, ids := make([]string, images), make([]image.ID, images)
	for i := range images {
		raw := filepath.Join(t.TempDir(), "disk.img")
		noise := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{byte(i)}).Read(noise)
		if err := os.WriteFile(raw, noise, 0o600); err != nil {
			t.Fatal(err)
		}
		files[i] = raw + ".zst"
		p, err := image.Pack(t.Context(), raw, files[i], image.PackOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ids[i] = p.Manifest().ID()
		p.Close()
	}
	synctest.Test(t, func(t *testing.T) {
		key, err := trust.Generate()
		if err != nil {
			t.Fatal(err)
		}
		e := &evening{T: t, net: simnet.New(1, simnet.Options{}), images: files, ids: ids}
		defer e.net.Close()
		server := e.net.Host("server")
		server.SetOut(simnet.Link{Rate: 1e9})
		ctx, over := context.WithCancel(t.Context())
		e.over = over
		e.sessions = &sessions{
			ctx: ctx, take: e.file, network: server, key: key, gather: 10 * time.Second,
			changed: func() {}, notice: func(n sender.Notice) { e.Errorf("notice: %s", n.Text) }, ended: e.end, open: map[image.ID]*session{},
		}
		do(e)
		e.group.Wait()
		over()
		e.sessions.wait.Wait()
	})
}

func (e *evening) file(id image.ID) (*image.Packed, string, error) {
	for i := range e.ids {
		if e.ids[i] == id {
			p, err := image.Open(e.images[i])
			return p, fmt.Sprint("image", i), err
		}
	}
	return nil, "", fs.ErrNotExist
}

func (e *evening) end(st sender.Status, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, errGaveWay) {
		e.Errorf("the session of %s ended with %v", st.Name, err)
	}
	e.ends = append(e.ends, st)
}

// pc is a machine that asks for an image and, some time later, receives it.
func (e *evening) pc(name string, id image.ID, later time.Duration) {
	host := e.net.Host(name)
	if _, err := e.want(id, host.Addr()); err != nil {
		e.Errorf("%s: %v", name, err)
		return
	}
	e.group.Go(func() {
		ctx, cancel := context.WithTimeout(e.Context(), time.Minute)
		defer cancel()
		<-time.After(later)
		heard := make(chan receiver.Heard, 1)
		listening, stop := context.WithCancel(ctx)
		go receiver.Discover(listening, host, netip.Addr{}, func(h receiver.Heard) {
			if h.Image() == id && !h.State.Over() {
				select {
				case heard <- h:
				default:
				}
			}
		})
		defer stop()
		select {
		case h := <-heard:
			stop()
			if _, err := receiver.Run(ctx, receiver.Config{Network: host, ID: protocol.ReceiverID(len(name) * 7919), Name: name}, h, disk.OpenDiscard(h.RawSize)); err != nil {
				e.Errorf("%s: %v", name, err)
			}
		case <-ctx.Done():
			e.Errorf("%s: no session for a minute", name)
		}
	})
}

// done returns how many receivers are done, of each session that ended.
func (e *evening) done() (counts []int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, st := range e.ends {
		n := 0
		for _, r := range st.Receivers {
			if r.State == protocol.ReceiverDone {
				n++
			}
		}
		counts = append(counts, n)
	}
	return counts
}

func pass(d time.Duration) { <-time.After(d) }

func TestMachinesOfOneImageShareASession(t *testing.T) {
	play(t, 1, func(e *evening) {
		e.pc("a", e.ids[0], time.Second)
		pass(8 * time.Second) // less than the sender waits for more
		e.pc("bb", e.ids[0], time.Second)
		e.group.Wait()
		pass(time.Minute)
		if got := fmt.Sprint(e.done()); got != "[2]" {
			t.Errorf("done per session: %s, want one session with both", got)
		}
		if st := e.ends[0]; st.Traffic.Bytes > uint64(st.Packed)*11/10 {
			t.Errorf("%d bytes were sent of an image of %d: not together", st.Traffic.Bytes, st.Packed)
		}
		if open := e.statuses(); len(open) != 0 {
			t.Errorf("still open with nobody there: %v", open)
		}
	})
}

// One that asks while the session lingers, and joins when that is over.
func TestMachineThatComesAtTheEnd(t *testing.T) {
	play(t, 1, func(e *evening) {
		e.pc("a", e.ids[0], 0)
		e.group.Wait()
		pass(lingering / 2)
		e.pc("bb", e.ids[0], lingering)
		e.group.Wait()
		pass(time.Minute)
		if got := fmt.Sprint(e.done()); got != "[1 1]" {
			t.Errorf("done per session: %s, want two sessions with one each", got)
		}
	})
}

func TestSessionsForNobodyEnd(t *testing.T) {
	play(t, mostSessions+1, func(e *evening) {
		who := netip.MustParseAddr("10.9.9.9")
		for i := range mostSessions {
			if _, err := e.want(e.ids[i], who); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := e.want(e.ids[mostSessions], who); !errors.Is(err, errBusy) {
			t.Errorf("one more than there may be: %v", err)
		}
		if n := len(e.statuses()); n != mostSessions {
			t.Errorf("%d sessions are open", n)
		}
		// One that nobody joined gives way, and who asks again has his.
		pass(time.Second)
		if n := len(e.statuses()); n != mostSessions-1 {
			t.Errorf("%d sessions are open while somebody waits", n)
		}
		if _, err := e.want(e.ids[mostSessions], who); err != nil {
			t.Errorf("asked again: %v", err)
		}
		pass(2*joining + time.Minute)
		if open := e.statuses(); len(open) != 0 {
			t.Errorf("%d sessions are open for nobody", len(open))
		}
		if _, err := e.want(image.ID{}, who); err == nil {
			t.Error("an image that isn't there can be had")
		}
		if got := fmt.Sprint(e.done()); got != "[0]" {
			t.Errorf("told of %s, want the one that gave way", got)
		}
	})
}
