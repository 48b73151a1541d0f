package mcast

import (
	"iter"
	"net/netip"
)

// maxMessages is UIO_MAXIOV, the most messages of one recvmmsg or sendmmsg.
const maxMessages = 1024

// Batch holds the datagrams of one Read. It is reused from Read to Read and
// belongs to one goroutine.
type Batch struct {
	limit     int
	messages  []message
	datagrams int
	buffers   *buffers // of real sockets; made by the first Read
}

// message is what one entry of recvmmsg brings: a datagram, or a row of them
// that the kernel coalesced (GRO), each size bytes long, the last maybe shorter.
type message struct {
	data []byte
	size int
	from netip.AddrPort
}

// NewBatch returns a Batch for Reads of at most that many messages (1 to 1024,
// clamped). On a real socket a message is up to 64 KiB of datagrams coalesced
// by the kernel, and each takes 64 KiB of memory from the first Read on.
func NewBatch(messages int) *Batch {
	messages = max(1, min(messages, maxMessages))
	return &Batch{limit: messages, messages: make([]message, 0, messages)}
}

// Len returns the number of datagrams.
func (b *Batch) Len() int { return b.datagrams }

// Datagrams yields each datagram with its sender, in the order they arrived.
// The bytes are valid until the next Read and must not be changed.
func (b *Batch) Datagrams() iter.Seq2[[]byte, netip.AddrPort] {
	return func(yield func([]byte, netip.AddrPort) bool) { b.each(yield) }
}

func (b *Batch) each(yield func([]byte, netip.AddrPort) bool) {
	for i := range b.messages {
		m := &b.messages[i]
		data := m.data
		for len(data) > m.size {
			if !yield(data[:m.size:m.size], m.from) {
				return
			}
			data = data[m.size:]
		}
		if !yield(data, m.from) {
			return
		}
	}
}

// Reset empties the batch; implementations of Reader start a Read with it.
func (b *Batch) Reset() {
	b.messages = b.messages[:0]
	b.datagrams = 0
}

// Full reports whether the batch holds as many messages as it was made for.
func (b *Batch) Full() bool { return len(b.messages) >= b.limit }

// Append adds a row of datagrams from one sender, each size bytes long but for
// a shorter last one; implementations of Reader fill a batch with it. data must
// stay unchanged until the next Reset.
func (b *Batch) Append(data []byte, size int, from netip.AddrPort) {
	if size < 1 || size > len(data) {
		size = len(data)
	}
	b.messages = append(b.messages, message{data: data, size: size, from: from})
	b.datagrams += rowLen(len(data), size)
}

// rowLen returns how many datagrams of size bytes a row of n bytes holds; an
// empty datagram is one.
func rowLen(n, size int) int {
	if n == 0 || size == 0 {
		return 1
	}
	return (n + size - 1) / size
}
