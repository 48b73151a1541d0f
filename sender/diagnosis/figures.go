// Package diagnosis says what is the matter with a room: from figures that
// receivers report and a sender counts, to findings with advice. It is pure: no
// sockets, no clock.
package diagnosis

import "github.com/pxecast/pxecast/protocol"

// Room is what was measured in one session.
type Room struct {
	Receivers []Receiver
	Expected  int     // receivers that there should be; 0 any number
	Seconds   float64 // of sending
	Packets   uint64  // DATA datagrams sent
	Bytes     uint64  // of their UDP payload
	Rate      float64 // bit/s that the user allows; 0 any
	LinkRate  float64 // bit/s of the sender's link; 0 unknown
	Busy      float64 // processors that the sender kept busy in the mean
	Cores     int     // processors that it has
	Probes    int     // datagrams to a group that no receiver joined
	Samples   []Sample
}

// Receiver is one machine's part.
type Receiver struct {
	Name           string
	State          protocol.ReceiverState
	Error          string
	Seconds        float64 // of receiving
	Counters       protocol.Counters
	Workers, Cores int
	Probes         int // of the room's, those sent while it was there

	Shared Shared
	Period float64 // datagrams between its gaps, when they come in a rhythm; 0 not

	// Shares of its reports, 0..1, at which its workers were so far behind that
	// no new block should be begun, and its socket so full that nothing should
	// be sent.
	Behind, Clogged float64

	// Deaf is for how many seconds at its end it took in nothing though
	// something was sent and it was there.
	Deaf float64
}

// Sample is a stretch of time while sending.
type Sample struct {
	Seconds  float64
	Sent     uint64  // DATA and FLUSH datagrams
	Received float64 // datagrams that arrived, in the median of the receivers
	Lost     float64 // datagrams that the network lost, likewise
}

// wireOverhead is what a datagram takes on Ethernet beside its payload: IP and
// UDP headers, framing and gap.
const wireOverhead = 28 + 38

// WirePerPacket returns the bits that a DATA datagram takes on the wire, in the
// mean.
func (r *Room) WirePerPacket() float64 {
	if r.Packets == 0 {
		return 0
	}
	return 8 * (float64(r.Bytes)/float64(r.Packets) + wireOverhead)
}

// Wire returns the bit/s that the sender put on the wire.
func (r *Room) Wire() float64 { return per(float64(r.Packets)*r.WirePerPacket(), r.Seconds) }

// DiskRate returns the bytes of disk a second that the receiver restored.
func (v *Receiver) DiskRate() float64 { return per(float64(v.Counters.Written), v.Seconds) }

// PacketRate returns the datagrams a second that reached it.
func (v *Receiver) PacketRate() float64 { return per(float64(v.Counters.Received), v.Seconds) }

// span is how many datagrams were sent while it was there.
func (v *Receiver) span() float64 {
	n := &v.Counters
	return float64(n.Received + n.Lost + n.Overflow)
}

// overflowError is by how much of itself a receiver's count of overflow may be
// wrong: the kernel counts rows of datagrams. What it misses looks like loss.
const overflowError = 0.05

// Loss returns the fraction of datagrams that the network lost.
func (v *Receiver) Loss() float64 {
	lost := float64(v.Counters.Lost) - overflowError*float64(v.Counters.Overflow)
	return per(max(0, lost), v.span())
}

// CommonLoss returns the fraction of datagrams that it lost with the others: on
// the way that all share. OwnLoss is the rest of Loss. Where that can't be told
// all is its own.
func (v *Receiver) CommonLoss() float64 {
	missed := float64(v.Counters.Lost + v.Counters.Overflow)
	common := missed * per(float64(v.Shared.Common), float64(v.Shared.Judged))
	return min(v.Loss(), per(common, v.span()))
}

// OwnLoss returns the fraction of datagrams that the network lost on the way to
// this receiver alone.
func (v *Receiver) OwnLoss() float64 { return v.Loss() - v.CommonLoss() }

// OverflowLoss returns the fraction of datagrams that the machine itself dropped
// because nobody read them in time.
func (v *Receiver) OverflowLoss() float64 { return per(float64(v.Counters.Overflow), v.span()) }

// MeanGap returns how many datagrams were lost in a row, in the mean.
func (v *Receiver) MeanGap() float64 {
	return per(float64(v.Counters.Lost+v.Counters.Overflow), float64(v.Counters.Gaps))
}

// Decoding returns which share of the time its workers decoded, and Writing
// which they wrote.
func (v *Receiver) Decoding() float64 { return v.share(v.Counters.Decoding) }

// Writing is like Decoding.
func (v *Receiver) Writing() float64 { return v.share(v.Counters.Writing) }

func (v *Receiver) share(millis uint32) float64 {
	return min(1, per(float64(millis)/1000, v.Seconds*float64(max(1, v.Workers))))
}

// Flooded tells whether the switch sends multicast to this receiver's port that
// its machine did not ask for; known is false where it could not be heard.
func (v *Receiver) Flooded() (yes, known bool) {
	const least = 4 // probes, to tell anything
	if v.Counters.Stray == protocol.StrayUnknown || v.Probes < least || v.Counters.Received == 0 {
		return false, false
	}
	return 4*int64(v.Counters.Stray) >= int64(v.Probes), true
}

func per(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}
