package limit

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/report"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// window is how many bytes are sent before the receivers read them. Waking
	// them for less costs more: from 128 KiB to 4 MiB the cost of sending and
	// receiving fell by half, from there to 8 MiB by nothing. A socket's buffer
	// holds 32 MiB.
	window = 4 << 20

	// batchMessages is how many messages a receiver reads at once, as many as a
	// session's.
	batchMessages = 4

	// trainWire is the most that a train takes on the wire, as a session's, with
	// what each datagram gets there beside its payload, IP and UDP headers, framing
	// and gap: 43 datagrams of the usual size.
	trainWire    = 64 << 10
	wireOverhead = 28 + 38

	// leastBytes is how much is sent at least, in a measurement.
	leastBytes = 256 << 20

	// patience is how long a measurement may take. One in which datagrams were
	// lost never ends: the kernel's queue of incoming packets is shared with
	// every other network of this machine.
	patience = 15 * time.Second
	attempts = 3
)

var group = netip.MustParseAddrPort("239.77.0.1:7700")

// sockets is what the network costs, in core-seconds per GB of disk.
type sockets struct {
	send     report.Stage
	receive  report.Stage // of one receiver
	unbilled float64      // of the machine, beyond send and all receivers
}

// measureSockets sends the datagrams of the image to receivers that look at
// nothing, in a lab of its own.
func measureSockets(ctx context.Context, m *image.Manifest, receivers int) (sockets, error) {
	l, err := lab.New(ctx, lab.Config{Hosts: 1 + receivers})
	if err != nil {
		return sockets{}, err
	}
	s, err := measureIn(ctx, l, m)
	return s, errors.Join(err, l.Close())
}

func measureIn(ctx context.Context, l *lab.Lab, m *image.Manifest) (sockets, error) {
	r, err := newRoom(l, windows(m))
	if err != nil {
		return sockets{}, err
	}
	defer r.close()
	// They take turns, so one at a time loses nothing; and an idle thread of Go's
	// would wait in epoll for the receivers' sockets, to be woken by the sender
	// with every train though nobody is to read yet: twice the sender's cost.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if _, err := r.run(ctx, 1); err != nil { // once, to warm up
		return sockets{}, err
	}
	perGB := float64(r.bytes()) / float64(m.RawSize()) * 1e9 // bytes sent for a GB of disk
	var send, receive, unbilled []float64
	for range repetitions {
		c, err := r.run(ctx, leastBytes)
		if err != nil {
			return sockets{}, err
		}
		scale := perGB / float64(c.bytes)
		send = append(send, c.send.Seconds()*scale)
		receive = append(receive, c.receive.Seconds()*scale/float64(len(r.readers)))
		unbilled = append(unbilled, (c.busy-c.send-c.receive).Seconds()*scale)
	}
	return sockets{stage(report.StageSend, send), stage(report.StageReceive, receive), max(0, median(unbilled))}, nil
}

// row is what is sent before the receivers read.
type row struct {
	trains    []mcast.Train
	datagrams int
	bytes     int64
}

// windows lays out the image's datagrams as a session does: trains are as long
// as a session's and end with their block. The data is that of one buffer over and over, which is where a
// session has its block.
func windows(m *image.Manifest) []row {
	var (
		rows   []row
		now    row
		header [protocol.DataHeaderSize]byte
		frame  [protocol.MaxFrame]byte
	)
	for i := range m.DataBlocks() {
		layout := protocol.LayoutOf(m.FrameLen(i), protocol.DefaultSymbolSize)
		most := trainLength(protocol.DataHeaderSize + layout.Size)
		for first := 0; first < layout.K; first += most {
			var t mcast.Train
			for e := first; e < min(first+most, layout.K); e++ {
				symbol := frame[e*layout.Size:][:layout.Len(protocol.ESI(e))]
				t.Parts = append(t.Parts, header[:], symbol)
				now.bytes += int64(len(symbol))
			}
			t.Size = len(t.Parts[0]) + len(t.Parts[1])
			now.trains = append(now.trains, t)
			now.datagrams += t.Len()
		}
		if now.bytes >= window || i == m.DataBlocks()-1 {
			rows = append(rows, now)
			now = row{}
		}
	}
	return rows
}

// trainLength is how many datagrams of size bytes a session puts in a train.
func trainLength(size int) int {
	return max(1, min(mcast.TrainLimit(size), trainWire/(size+wireOverhead)))
}

// room is one sender and its receivers, which take turns: the sender sends a
// row, then all receivers read it.
type room struct {
	rows    []row
	sender  mcast.Conn
	readers []mcast.Reader
}

func newRoom(l *lab.Lab, rows []row) (*room, error) {
	if len(rows) == 0 {
		return nil, errors.New("the image has no data block")
	}
	r := &room{rows: rows}
	for i, h := range l.Hosts() {
		err := h.Do(func() error {
			n, err := mcast.Interface(lab.Interface, mcast.Options{})
			if err != nil {
				return err
			}
			if i == 0 {
				r.sender, err = n.Open(0)
				return err
			}
			reader, err := n.Listen(group, l.Host(0).Addr(), 0)
			if err == nil {
				r.readers = append(r.readers, reader)
			}
			return err
		})
		if err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

func (r *room) close() {
	if r.sender != nil {
		r.sender.Close()
	}
	for _, reader := range r.readers {
		reader.Close()
	}
}

// bytes is the size of the image as it is sent.
func (r *room) bytes() (n int64) {
	for _, w := range r.rows {
		n += w.bytes
	}
	return n
}

// cost is what a run took.
type cost struct {
	bytes         int64         // of frames sent
	send, receive time.Duration // of the threads; receive of all receivers together
	busy          time.Duration // of the machine
}

// run sends the rows, again and again until least bytes are sent. What others
// on this machine disturb is done again.
func (r *room) run(ctx context.Context, least int64) (cost, error) {
	var err error
	for range attempts {
		var c cost
		if c, err = r.attempt(ctx, least); !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
	}
	return cost{}, fmt.Errorf("datagrams were lost, or took more than %v, in %d attempts: is the machine busy? %w", patience, attempts, err)
}

func (r *room) attempt(ctx context.Context, least int64) (cost, error) {
	var (
		threads  sync.WaitGroup
		times    = make([]time.Duration, len(r.readers))
		errs     = make([]error, len(r.readers))
		gates    = make([]chan int, len(r.readers))
		read     = make(chan struct{}, len(r.readers))
		deadline = time.Now().Add(patience)
	)
	began, err := busyTime()
	if err != nil {
		return cost{}, err
	}
	for i, reader := range r.readers {
		gates[i] = make(chan int)
		threads.Go(func() {
			times[i], errs[i] = drain(reader, deadline, gates[i], read)
		})
	}
	var c cost
	c.bytes, c.send, err = r.send(ctx, least, gates, read)
	for _, g := range gates {
		close(g)
	}
	threads.Wait()
	for _, t := range times {
		c.receive += t
	}
	ended, berr := busyTime()
	c.busy = ended - began
	return c, errors.Join(append(errs, err, berr)...)
}

// send is the sender's thread: it sends a row and then waits for the receivers.
func (r *room) send(ctx context.Context, least int64, gates []chan int, read <-chan struct{}) (sent int64, took time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := threadTime()
	for sent < least {
		for _, w := range r.rows {
			if err := ctx.Err(); err != nil {
				return 0, 0, err
			}
			if err := r.sender.WriteTrains(group, w.trains); err != nil {
				return 0, 0, err
			}
			for _, g := range gates {
				g <- w.datagrams
			}
			for range gates {
				<-read
			}
			sent += w.bytes
		}
	}
	return sent, threadTime() - begin, nil
}

// drain is a receiver's thread: it reads as many datagrams as the gate lets
// through, each time, and says so even if it could not. It returns how long it
// was on a core.
func drain(reader mcast.Reader, deadline time.Time, gate <-chan int, done chan<- struct{}) (_ time.Duration, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	batch := mcast.NewBatch(batchMessages)
	begin := threadTime()
	for n := range gate {
		for n > 0 && err == nil {
			if err = reader.Read(batch, deadline); err == nil {
				n -= batch.Len()
			}
		}
		done <- struct{}{}
	}
	return threadTime() - begin, err
}
