package mcast

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSetPace: the socket knows the rate, for a queue that spaces packets.
func TestSetPace(t *testing.T) {
	c, err := LoopbackHost(t, 0, Options{}).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, rate := range []int64{10_000_000, 1_250_000_000, 6_250_000_000, 0} {
		c.SetPace(rate)
		want := uint64(rate)
		if rate == 0 {
			want = ^uint64(0)
		}
		err := control(c.(*conn).writer.raw, func(fd int) error {
			got, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_MAX_PACING_RATE)
			if got != want {
				t.Errorf("paced at %d bytes a second, want %d", got, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestPause: what is meant to be short is not rounded up to no wait at all.
func TestPause(t *testing.T) {
	c, err := LoopbackHost(t, 0, Options{}).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, d := range []time.Duration{-time.Second, 0, 50 * time.Microsecond, 900 * time.Microsecond} {
		begin := time.Now()
		if c.Pause(d); time.Since(begin) < d {
			t.Errorf("a pause of %v took %v", d, time.Since(begin))
		}
	}
}
