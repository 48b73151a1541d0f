package protocol

import (
	"encoding/binary"
	"fmt"
)

// ReceiverState is where a receiver stands.
type ReceiverState uint8

// The states of a receiver, in their usual order. Gone is the sender's word
// for one that fell silent; no REPORT carries it.
const (
	ReceiverJoined    ReceiverState = 1 // has no manifest yet
	ReceiverReceiving ReceiverState = 2
	ReceiverFlushing  ReceiverState = 3 // has all blocks; the disk is being flushed
	ReceiverVerifying ReceiverState = 4 // reading back
	ReceiverDone      ReceiverState = 5
	ReceiverFailed    ReceiverState = 6 // Error says why
	ReceiverGone      ReceiverState = 7
)

func (s ReceiverState) String() string {
	names := [...]string{"", "joined", "receiving", "flushing", "verifying", "done", "failed", "gone"}
	if int(s) < len(names) && s != 0 {
		return names[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Over reports whether the receiver wants nothing more.
func (s ReceiverState) Over() bool { return s >= ReceiverDone }

// NeedAll is the Need of blocks of which the receiver holds nothing.
const NeedAll = 0

// Deficit says that the receiver lacks Need symbols of each of Count blocks
// from First on.
type Deficit struct {
	First SBN
	Count uint32 // ≥ 1
	Need  uint16 // any so many further symbols complete the block; NeedAll: the whole block
}

// Counters are totals since the receiver joined.
type Counters struct {
	Received uint64    // DATA and FLUSH datagrams taken from the socket
	Lost     uint64    // gaps in Seq that were not our own overflow: the network's loss
	Overflow uint64    // dropped by the kernel at our socket: the machine's loss
	Repaired uint64    // symbols of completed blocks that parity replaced
	Shed     uint32    // blocks refused because memory was full, each time they came; not loss
	Rejected uint32    // blocks whose digest was wrong
	Written  uint64    // bytes of disk restored, zeros included
	Lanes    [3]uint32 // blocks by lane: multicast, peer, TFTP

	Gaps     uint32 // rows of consecutive Seqs that did not come: Lost and Overflow in Gaps rows
	Longest  uint32 // datagrams of the longest one
	Decoding uint32 // milliseconds that workers spent on decoding and digests, summed over them
	Writing  uint32 // the same, on writing
	Stray    uint32 // probes of a bench session that reached this port uncalled-for; StrayUnknown
}

// StrayUnknown says that the receiver does not listen for stray datagrams, or
// can't.
const StrayUnknown = 1<<32 - 1

// Gap is a row of consecutive sequence numbers that did not come.
type Gap struct {
	First Seq
	Count uint32 // ≥ 1
}

// Last returns the gap's last sequence number.
func (g Gap) Last() Seq { return g.First + Seq(g.Count) - 1 }

// Report states the condition of one receiver as of a packet sequence. It is
// not an event: a lost one costs nothing, a repeated one changes nothing.
type Report struct {
	Session            SessionID
	Number             Number
	Cookie             Cookie
	Serial             uint32 // counts this receiver's reports; an older one than the last seen is ignored
	State              ReceiverState
	Object             Object // whose deficits these are
	AsOf               Seq    // all datagrams up to this one were received or are given up for lost
	RTTMicro           uint32 // round trip time of the handshake in microseconds
	Room               uint32 // KiB of memory that blocks begun after AsOf may take before one is shed
	Buffer             uint32 // KiB of the socket's buffer: what may follow AsOf, of any block, before the kernel drops some
	Collecting, Queued uint32 // blocks with symbols still missing; blocks waiting for decode or disk
	Counters           Counters
	Workers, Cores     uint16    // blocks decoded and written at once; processors of the machine
	Recent             []Gap     // the latest gaps, newest first, as many as fit; only in bench sessions
	Error              string    // of a failed receiver, ≤ MaxText bytes
	From, To           SBN       // the deficits are complete for blocks From..To-1; a block in there that none names is held
	Deficits           []Deficit // ascending, disjoint, within From..To
}

// reportFixed is the length of a REPORT with no Error and no Deficits.
const reportFixed = HeaderSize + 4 + CookieSize + 4 + 2 + 8 + 4*5 + 8*5 + 4*5 + 4*5 + 2*2 + 1 + 1 + 8

// AppendBinary appends the whole datagram to b.
func (v *Report) AppendBinary(b []byte) ([]byte, error) {
	if !v.valid() {
		return nil, ErrField
	}
	start := len(b)
	b = begin(b, TypeReport, v.Session)
	b = binary.BigEndian.AppendUint32(b, uint32(v.Number))
	b = append(b, v.Cookie[:]...)
	b = binary.BigEndian.AppendUint32(b, v.Serial)
	b = append(b, byte(v.State), byte(v.Object))
	b = binary.BigEndian.AppendUint64(b, uint64(v.AsOf))
	for _, x := range [...]uint32{v.RTTMicro, v.Room, v.Buffer, v.Collecting, v.Queued} {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	n := &v.Counters
	for _, x := range [...]uint64{n.Received, n.Lost, n.Overflow, n.Repaired, n.Written} {
		b = binary.BigEndian.AppendUint64(b, x)
	}
	for _, x := range [...]uint32{n.Shed, n.Rejected, n.Lanes[0], n.Lanes[1], n.Lanes[2], n.Gaps, n.Longest, n.Decoding, n.Writing, n.Stray} {
		b = binary.BigEndian.AppendUint32(b, x)
	}
	b = binary.BigEndian.AppendUint16(b, v.Workers)
	b = binary.BigEndian.AppendUint16(b, v.Cores)
	b, err := appendText(b, v.Error, MaxText)
	if err != nil {
		return nil, err
	}
	if b, err = appendGaps(b, v.Recent, v.AsOf); err != nil {
		return nil, err
	}
	b = binary.BigEndian.AppendUint32(b, uint32(v.From))
	b = binary.BigEndian.AppendUint32(b, uint32(v.To))
	at := v.From
	for _, d := range v.Deficits {
		if d.First < at || d.First > v.To || d.Count == 0 || d.Count > uint32(v.To-d.First) || d.Need > MaxSymbols {
			return nil, ErrField
		}
		b = d.append(b, at)
		at = d.First + SBN(d.Count)
	}
	if len(b)-start > MaxDatagram {
		return nil, ErrField
	}
	return seal(b, start), nil
}

// valid reports whether every field but the text and the deficits is within
// its limit.
func (v *Report) valid() bool {
	return v.Number < MaxReceivers && v.Object <= ObjectImage &&
		v.State >= ReceiverJoined && v.State <= ReceiverFailed &&
		v.From <= v.To && v.To <= MaxSBN
}

// append codes the deficit relative to the end of the one before it.
func (d Deficit) append(b []byte, at SBN) []byte {
	b = binary.AppendUvarint(b, uint64(d.First-at))
	b = binary.AppendUvarint(b, uint64(d.Count))
	return binary.AppendUvarint(b, uint64(d.Need))
}

// A DeficitWriter fills the From, To and Deficits of a report up to a length.
type DeficitWriter struct {
	r     *Report
	left  int
	at    SBN
	full  bool
	spare [3 * 5]byte
}

// WriteDeficits starts the deficits of v, which may make the datagram size
// bytes long at the most, and MaxDatagram in any case; AsOf, Error and Recent
// must be set already. A size of 520 always has room for the rest of the report.
func (v *Report) WriteDeficits(from SBN, size int) DeficitWriter {
	v.From, v.To, v.Deficits = from, from, v.Deficits[:0]
	return DeficitWriter{r: v, left: min(size, MaxDatagram) - reportFixed - len(v.Error) - gapBytes(v.Recent, v.AsOf), at: from}
}

// Add appends one deficit beyond those before it; it returns false, and
// changes nothing, when the datagram is full. It is full from then on, even for
// a shorter one: what the report leaves out in the middle it would claim to be
// held. Adjacent runs of equal Need are merged.
func (w *DeficitWriter) Add(d Deficit) bool {
	w.full = w.full || !w.add(d)
	return !w.full
}

func (w *DeficitWriter) add(d Deficit) bool {
	if k := len(w.r.Deficits); k > 0 && w.at == d.First && w.r.Deficits[k-1].Need == d.Need {
		last := &w.r.Deficits[k-1]
		merged := *last
		merged.Count += d.Count
		grown := len(merged.append(w.spare[:0], merged.First)) - len(last.append(w.spare[:0], last.First))
		if grown > w.left {
			return false
		}
		w.left -= grown
		*last = merged
		w.at += SBN(d.Count)
		w.r.To = w.at
		return true
	}
	n := len(d.append(w.spare[:0], w.at))
	if n > w.left {
		return false
	}
	w.left -= n
	w.r.Deficits = append(w.r.Deficits, d)
	w.at = d.First + SBN(d.Count)
	w.r.To = w.at
	return true
}

// Covered says that no block before to is lacking but those added. It says
// nothing after an Add that did not fit.
func (w *DeficitWriter) Covered(to SBN) {
	if !w.full {
		w.r.To = max(w.r.To, to)
	}
}

// ParseReport parses a REPORT datagram into v, whose Deficits are reused. After
// an error v holds nothing of use.
func ParseReport(d []byte, v *Report) error {
	s, err := expect(d, TypeReport)
	if err != nil {
		return err
	}
	c := cursor{b: d[HeaderSize:]}
	deficits, gaps := v.Deficits[:0], v.Recent[:0]
	*v = Report{Session: s, Number: Number(c.u32())}
	v.Cookie = Cookie(c.take(CookieSize))
	v.Serial = c.u32()
	v.State, v.Object, v.AsOf = ReceiverState(c.u8()), Object(c.u8()), Seq(c.u64())
	for _, x := range [...]*uint32{&v.RTTMicro, &v.Room, &v.Buffer, &v.Collecting, &v.Queued} {
		*x = c.u32()
	}
	n := &v.Counters
	for _, x := range [...]*uint64{&n.Received, &n.Lost, &n.Overflow, &n.Repaired, &n.Written} {
		*x = c.u64()
	}
	for _, x := range [...]*uint32{&n.Shed, &n.Rejected, &n.Lanes[0], &n.Lanes[1], &n.Lanes[2], &n.Gaps, &n.Longest, &n.Decoding, &n.Writing, &n.Stray} {
		*x = c.u32()
	}
	v.Workers, v.Cores = c.u16(), c.u16()
	v.Error = c.text(MaxText)
	v.Recent = c.gaps(gaps, v.AsOf)
	v.From, v.To = SBN(c.u32()), SBN(c.u32())
	c.limit(v.valid() && len(d) <= MaxDatagram)
	v.Deficits = c.deficits(deficits, v.From, v.To)
	return c.end()
}

func (c *cursor) deficits(out []Deficit, at, to SBN) []Deficit {
	for c.err == nil && len(c.b) > 0 {
		gap, count, need := c.uvarint(), c.uvarint(), c.uvarint()
		c.limit(gap <= uint32(to-at))
		c.limit(count > 0 && count <= uint32(to-at)-gap && need <= MaxSymbols)
		if c.err != nil {
			break
		}
		out = append(out, Deficit{First: at + SBN(gap), Count: count, Need: uint16(need)})
		at += SBN(gap + count)
	}
	return out
}
