package main

import "sync"

// latest hands the newest value to a goroutine that shows it, so that a
// terminal or pipe that takes its time never holds up a session. Values that
// were replaced before they were shown are lost.
type latest[T any] struct {
	value chan T
	wait  sync.WaitGroup
}

// showLatest calls show for values of put, one at a time.
func showLatest[T any](show func(T)) *latest[T] {
	l := &latest[T]{value: make(chan T, 1)}
	l.wait.Go(func() {
		for v := range l.value {
			show(v)
		}
	})
	return l
}

// put is for one goroutine.
func (l *latest[T]) put(v T) {
	select {
	case <-l.value:
	default:
	}
	l.value <- v
}

// close returns when the last value is shown; no put may follow.
func (l *latest[T]) close() {
	close(l.value)
	l.wait.Wait()
}
