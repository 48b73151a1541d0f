package gate

import (
	"net/netip"
	"sync"
)

// quota bounds how many of something there are at a time, in sum and for each
// client, so that one client cannot take everything.
type quota struct {
	most, each int

	mu     sync.Mutex
	all    int
	client map[netip.Addr]int
}

func newQuota(most, each int) *quota {
	return &quota{most: most, each: each, client: make(map[netip.Addr]int)}
}

// enter takes a place for a client. ok is false, and no place taken, when the
// client has all of its own or there are none left. nth is how many are taken.
func (q *quota) enter(who netip.Addr) (nth int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.free(who) {
		return q.all, false
	}
	q.all++
	q.client[who]++
	return q.all, true
}

// room reports whether there is a place for a client.
func (q *quota) room(who netip.Addr) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free(who)
}

// taken returns how many have a place.
func (q *quota) taken() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.all
}

func (q *quota) free(who netip.Addr) bool { return q.all < q.most && q.client[who] < q.each }

// leave gives the place back.
func (q *quota) leave(who netip.Addr) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all--
	if q.client[who]--; q.client[who] == 0 {
		delete(q.client, who)
	}
}
