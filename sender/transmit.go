package sender

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/internal/hugepage"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// trainsPerWrite is how many super-packets go out in one system call: 256
	// KiB, two milliseconds of a 1 Gb/s link, so that reports are looked at as
	// often, and no more than stays in a core's cache from reading to sending.
	trainsPerWrite = 4

	// trainWire is the most that a train takes on the wire, with the headers
	// that the card adds: token buckets of 64 KiB pass it whole.
	trainWire = 64 << 10

	// piece is how much of a frame is read at once, just before it is sent, so
	// that the checksum finds it in a cache: all of interleave together read
	// two megabytes. Less takes more system calls and gains nothing.
	piece = 128 << 10
)

// transmitter turns the scheduler's runs into datagrams. All its memory is
// allocated at the start.
type transmitter struct {
	session protocol.SessionID
	conn    mcast.Conn
	group   netip.AddrPort
	source  Source
	bytes   []byte // the manifest
	coder   *fec.Coder
	slots   [slots]slot
	memory  []byte   // of their buffers
	rows    [][]byte // scratch of code
	runs    []run
	headers [][protocol.DataHeaderSize]byte
	parts   [][]byte
	trains  []mcast.Train
	train   int // datagrams in the longest train
	sent    Traffic
}

// slot holds the block of one of the scheduler's jobs.
type slot struct {
	data   protocol.Data
	layout protocol.Layout
	repair bool   // the block was sent before
	block  int    // by its number in the object
	buffer []byte // frame, as far as it is read; K*Size bytes and more
	read   int    // bytes of the frame
	memory []byte // of the repair symbols
	parity [][]byte
	coded  bool
}

func newTransmitter(id protocol.SessionID, conn mcast.Conn, group netip.AddrPort, source Source, symbolSize int) *transmitter {
	packet := symbolSize + protocol.DataHeaderSize
	train := max(1, min(mcast.TrainLimit(packet), trainWire/(packet+wireOverhead)))
	most := train * trainsPerWrite
	t := &transmitter{
		session: id, conn: conn, group: group, source: source, bytes: source.Manifest().Bytes(),
		coder:   fec.NewCoder(),
		runs:    make([]run, 0, most),
		headers: make([][protocol.DataHeaderSize]byte, most),
		parts:   make([][]byte, 0, most*mcast.PartsPer),
		trains:  make([]mcast.Train, 0, most),
		train:   train,
		memory:  hugepage.Map(slots * (protocol.MaxFrame + symbolSize)),
	}
	// The last symbol of a frame is filled up.
	if n := protocol.MaxFrame + symbolSize; t.memory != nil {
		for i := range t.slots {
			t.slots[i].buffer = t.memory[i*n : (i+1)*n : (i+1)*n]
		}
	}
	return t
}

// free gives back the memory. Nothing may be sent any more.
func (t *transmitter) free() {
	hugepage.Unmap(t.memory)
	t.memory, t.slots = nil, [slots]slot{}
}

// send transmits what the scheduler decides, at most most datagrams, and
// returns how many bytes went on the wire; 0 means that nothing is due.
func (t *transmitter) send(now time.Time, s *scheduler, most int) (wire int, err error) {
	t.runs = s.fill(now, t.runs[:0], min(most, cap(t.runs)))
	t.parts, t.trains = t.parts[:0], t.trains[:0]
	first, n := 0, 0
	for _, r := range t.runs {
		sl := &t.slots[r.slot]
		if r.load {
			t.load(sl, &s.jobs[r.slot])
		}
		for e := range r.count {
			symbol, err := t.symbol(sl, r, e)
			if err != nil {
				return 0, err
			}
			if first < n && (len(symbol) > t.size(first) || n-first == t.train || t.size(n-1) < t.size(first)) {
				t.close(first, n)
				first = n
			}
			h := &t.headers[n]
			sl.data.PutHeader(h)
			t.parts = append(t.parts, h[:], symbol)
			wire += len(h) + len(symbol) + wireOverhead
			n++
		}
	}
	if n == 0 {
		return 0, nil
	}
	t.close(first, n)
	return wire, t.conn.WriteTrains(t.group, t.trains)
}

// size returns the length of the symbol of datagram i.
func (t *transmitter) size(i int) int { return len(t.parts[i*mcast.PartsPer+1]) }

// close makes a train of datagrams first..n-1.
func (t *transmitter) close(first, n int) {
	t.trains = append(t.trains, mcast.Train{
		Parts: t.parts[first*mcast.PartsPer : n*mcast.PartsPer],
		Size:  protocol.DataHeaderSize + t.size(first),
	})
}

// load makes a slot ready for the block of a new job.
func (t *transmitter) load(sl *slot, j *job) {
	sl.layout, sl.repair, sl.coded = j.layout, j.repair, false
	sl.block, sl.read = j.block, 0
	sl.data = protocol.Data{Session: t.session, Object: j.object.id, SBN: j.object.sbn(j.block), FrameLen: j.object.frameLen(j.block)}
	if padded := sl.layout.K * sl.layout.Size; len(sl.buffer) < padded {
		sl.buffer = make([]byte, max(padded, protocol.BlockSize+protocol.DefaultSymbolSize))
	}
	if j.object.id == protocol.ObjectImage && j.block%ahead == 0 {
		t.source.Prefetch(j.block+ahead, ahead)
	}
}

// read brings the first n bytes of the slot's frame into its buffer, and a
// piece more at a time.
func (t *transmitter) read(sl *slot, n int) error {
	if sl.read >= n {
		return nil
	}
	to := min(max(n, sl.read+piece), sl.data.FrameLen)
	p := sl.buffer[sl.read:to]
	if sl.data.Object == protocol.ObjectManifest {
		copy(p, t.bytes[sl.block*protocol.BlockSize+sl.read:])
	} else if err := t.source.ReadFramePart(sl.block, sl.read, p); err != nil {
		return fmt.Errorf("reading block %d of the packed image: %w", sl.data.SBN, err)
	}
	sl.read = to
	return nil
}

// ahead is how many blocks are read from the disk before their time, so that
// a slow one does not stop the sending.
const ahead = 32

// symbol fills in the slot's data header for symbol e of run r and returns the
// symbol as it goes on the wire.
func (t *transmitter) symbol(sl *slot, r run, e int) ([]byte, error) {
	esi := (r.esi + e) % sl.layout.N()
	sl.data.ESI, sl.data.Seq = protocol.ESI(esi), r.seq+protocol.Seq(e)
	if esi >= sl.layout.K && !sl.coded {
		if err := t.code(sl); err != nil {
			return nil, err
		}
	}
	var p []byte
	if esi < sl.layout.K {
		at := esi * sl.layout.Size
		p = sl.buffer[at : at+sl.layout.Len(protocol.ESI(esi))]
		if err := t.read(sl, at+len(p)); err != nil {
			return nil, err
		}
	} else {
		p = sl.parity[esi-sl.layout.K]
	}
	sl.data.Symbol = p
	t.sent.Packets++
	t.sent.Bytes += uint64(protocol.DataHeaderSize + len(p))
	if sl.repair || esi >= sl.layout.K {
		t.sent.RepairBytes += uint64(protocol.DataHeaderSize + len(p))
	}
	return p, nil
}

// code computes the repair symbols of the slot's block, once per job: from the
// packed image in memory this takes a tenth of the time of sending the block.
func (t *transmitter) code(sl *slot) error {
	size := sl.layout.Size
	if err := t.read(sl, sl.data.FrameLen); err != nil {
		return err
	}
	clear(sl.buffer[sl.data.FrameLen : sl.layout.K*size])
	if n := protocol.MaxRepair * size; len(sl.memory) < n {
		sl.memory = make([]byte, n)
	}
	sl.parity = sl.parity[:0]
	for i := range protocol.MaxRepair {
		sl.parity = append(sl.parity, sl.memory[i*size:(i+1)*size:(i+1)*size])
	}
	t.rows = t.rows[:0]
	for i := range sl.layout.K {
		t.rows = append(t.rows, sl.buffer[i*size:(i+1)*size:(i+1)*size])
	}
	sl.coded = true
	return t.coder.Encode(t.rows, sl.parity)
}

// wireOverhead is what a datagram takes on Ethernet beside its payload: IP and
// UDP headers, framing and gap.
const wireOverhead = 28 + 38

// Traffic counts DATA datagrams.
type Traffic struct {
	Packets     uint64
	Bytes       uint64 // of UDP payload
	RepairBytes uint64 // of those, in repair symbols and in blocks sent again
}
