package serve

import (
	"sync"
	"time"
)

// What is told of machines is printed and kept in journals, and anybody in the network
// can be a machine: these bound it. One that boots makes about ten lines.
const (
	quotaTime = 10 * time.Second
	quotaEach = 40   // of one machine in that time
	quotaAll  = 2000 // of all
)

// quota counts what is told of each machine. The zero value is ready.
type quota struct {
	mu    sync.Mutex
	since time.Time
	each  map[string]int
	all   int
}

// takes reports whether one more may be told of who.
func (q *quota) takes(now time.Time, who string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.since) >= quotaTime {
		q.since, q.each, q.all = now, make(map[string]int), 0
	}
	if q.all >= quotaAll || q.each[who] >= quotaEach {
		return false
	}
	q.all++
	q.each[who]++
	return true
}
