package sender

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/pxecast/pxecast/internal/fec"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

// trainsPerWrite is how many super-packets go out in one system call: 260 KiB,
// two milliseconds of a 1 Gb/s link, so that reports are looked at as often.
const trainsPerWrite = 4

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
	buffer []byte // frame, zero-padded to K*Size
	memory []byte // of the repair symbols
	parity [][]byte
	coded  bool
}

func newTransmitter(id protocol.SessionID, conn mcast.Conn, group netip.AddrPort, source Source, symbolSize int) *transmitter {
	train := mcast.TrainLimit(symbolSize + protocol.DataHeaderSize)
	most := train * trainsPerWrite
	return &transmitter{
		session: id, conn: conn, group: group, source: source, bytes: source.Manifest().Bytes(),
		coder:   fec.NewCoder(),
		runs:    make([]run, 0, most),
		headers: make([][protocol.DataHeaderSize]byte, most),
		parts:   make([][]byte, 0, most*mcast.PartsPer),
		trains:  make([]mcast.Train, 0, most),
		train:   train,
	}
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
			if err := t.load(sl, &s.jobs[r.slot]); err != nil {
				return 0, err
			}
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

// load reads the block of a new job into its slot.
func (t *transmitter) load(sl *slot, j *job) error {
	sl.layout, sl.repair, sl.coded = j.layout, j.repair, false
	sl.data = protocol.Data{Session: t.session, Object: j.object.id, SBN: j.object.sbn(j.block), FrameLen: j.object.frameLen(j.block)}
	padded := sl.layout.K * sl.layout.Size
	if len(sl.buffer) < padded {
		sl.buffer = make([]byte, max(padded, protocol.BlockSize+protocol.DefaultSymbolSize))
	}
	if j.object.id == protocol.ObjectManifest {
		copy(sl.buffer, t.bytes[j.block*protocol.BlockSize:][:sl.data.FrameLen])
	} else if _, err := t.source.ReadFrame(j.block, sl.buffer[:sl.data.FrameLen]); err != nil {
		return fmt.Errorf("reading block %d of the packed image: %w", sl.data.SBN, err)
	}
	clear(sl.buffer[sl.data.FrameLen:padded])
	if j.object.id == protocol.ObjectImage && j.block%ahead == 0 {
		t.source.Prefetch(j.block+ahead, ahead)
	}
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
		p = sl.buffer[esi*sl.layout.Size:][:sl.layout.Len(protocol.ESI(esi))]
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

// pacer is a token bucket in bytes on the wire.
type pacer struct {
	tokens float64
	last   time.Time
}

// burst is what may go at once at a given rate: a train, or two milliseconds,
// and always some datagrams, however large.
func burst(rate float64, packet int) float64 {
	return max(64<<10, 4*float64(packet+wireOverhead), rate/500)
}

// allow returns how many datagrams of packet bytes may go now at rate bytes a
// second (0: no limit), and if none, when.
func (p *pacer) allow(now time.Time, rate float64, packet int) (n int, at time.Time) {
	if rate == 0 {
		p.last, p.tokens = now, 0
		return 1 << 20, now
	}
	p.tokens = min(p.tokens+rate*now.Sub(p.last).Seconds(), burst(rate, packet))
	p.last = now
	n = int(p.tokens / float64(packet+wireOverhead))
	if train := int(min(burst(rate, packet)/2, 32<<10)) / packet; n < max(1, train) {
		missing := float64(max(1, train)*(packet+wireOverhead)) - p.tokens
		return 0, now.Add(time.Duration(missing/rate*1e9) + time.Microsecond)
	}
	return n, now
}

func (p *pacer) spend(bytes int) { p.tokens -= float64(bytes) }
