package simnet

import (
	"container/heap"
	"net/netip"
	"time"
)

// typeOffset is where a pxecast datagram says its type: after the checksum
// (u64), the magic (u16) and the version (u8).
const typeOffset = 11

// row is consecutive datagrams that travel together: size bytes each, the last
// maybe shorter, all of one type. The bytes are shared and never changed.
type row struct {
	data     []byte
	size     int
	kind     byte
	from, to netip.AddrPort
}

// len returns the number of datagrams; an empty one counts.
func (r row) len() int {
	if len(r.data) <= r.size {
		return 1
	}
	return (len(r.data) + r.size - 1) / r.size
}

// part returns datagrams i to j.
func (r row) part(i, j int) row {
	end := min(j*r.size, len(r.data))
	r.data = r.data[i*r.size : end : end]
	return r
}

// rows splits datagrams where their type changes.
func rows(data []byte, size int, from, to netip.AddrPort) []row {
	whole := row{data: data, size: max(size, 1), from: from, to: to}
	var split []row
	start := 0
	for i := range whole.len() {
		one := whole.part(i, i+1)
		kind := byte(0)
		if len(one.data) > typeOffset {
			kind = one.data[typeOffset]
		}
		if i > start && kind != whole.kind {
			split = append(split, whole.part(start, i))
			start = i
		}
		whole.kind = kind
	}
	return append(split, whole.part(start, whole.len()))
}

// event is a row that arrives at a host, or at the switch if host is nil.
type event struct {
	at    time.Time
	order uint64 // of making: first come, first served at equal times
	host  *Host
	row   row
}

// events is a queue by time.
type events struct {
	heap eventHeap
	made uint64
	free []*event
}

// push adds an event and reports whether it is now the earliest.
func (q *events) push(at time.Time, host *Host, r row) bool {
	var e *event
	if last := len(q.free) - 1; last >= 0 {
		e, q.free = q.free[last], q.free[:last]
	} else {
		e = new(event)
	}
	q.made++
	*e = event{at: at, order: q.made, host: host, row: r}
	heap.Push(&q.heap, e)
	return q.heap[0] == e
}

// next returns the time of the earliest event.
func (q *events) next() (time.Time, bool) {
	if len(q.heap) == 0 {
		return time.Time{}, false
	}
	return q.heap[0].at, true
}

// pop takes the earliest event out.
func (q *events) pop() event {
	e := heap.Pop(&q.heap).(*event)
	popped := *e
	*e = event{}
	q.free = append(q.free, e)
	return popped
}

type eventHeap []*event

func (h eventHeap) Len() int      { return len(h) }
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(*event)) }

func (h eventHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].order < h[j].order
	}
	return h[i].at.Before(h[j].at)
}

func (h *eventHeap) Pop() any {
	old := *h
	last := len(old) - 1
	e := old[last]
	old[last] = nil
	*h = old[:last]
	return e
}
