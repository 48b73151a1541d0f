package sender

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
)

// TestReportsAreTakenInTime: in the middle of the image reports may wait for each
// other, but none of a large room's is lost or waits longer than a small part of
// the interval.
func TestReportsAreTakenInTime(t *testing.T) {
	for _, receivers := range []int{6, 100, 1000} {
		for _, calm := range []time.Duration{time.Millisecond, time.Minute} {
			s := &scheduler{alive: make([]*member, receivers), calm: calm}
			t.Run(fmt.Sprintf("%d receivers, each %v", receivers, s.interval()), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testTaken(t, s, receivers) })
			})
		}
	}
}

func testTaken(t *testing.T, sched *scheduler, receivers int) {
	net := simnet.New(1, simnet.Options{})
	defer net.Close()
	own, err := net.Host("server").Open(0)
	if err != nil {
		t.Fatal(err)
	}
	c := newControl(7, own)
	c.rest.Store(int64(sched.rest()))
	other, err := net.Host("room").Open(0)
	if err != nil {
		t.Fatal(err)
	}
	cookie := c.cookie(other.LocalAddr())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(t.Context())
	}()

	const rounds = 3
	each := sched.interval() / time.Duration(receivers)
	sent := make([]time.Time, 1+rounds*receivers)
	go func() {
		for serial := 1; serial < len(sent); serial++ {
			r := protocol.Report{Session: 7, Cookie: cookie, Serial: uint32(serial), State: protocol.ReceiverReceiving, To: protocol.MaxSBN}
			sent[serial] = time.Now()
			write(t, other, own, &r)
			<-time.After(each)
		}
	}()
	for range rounds * receivers {
		select {
		case r := <-c.reports:
			if late := time.Since(sent[r.report.Serial]); late > mostRest {
				t.Fatalf("report %d of %d is taken %v late, at an interval of %v", r.report.Serial, rounds*receivers, late, sched.interval())
			}
		case <-time.After(sched.interval()):
			t.Fatal("no report for an interval")
		}
	}
	own.Close()
	<-done
}

func write(t *testing.T, from, to mcast.Conn, r *protocol.Report) {
	d, err := r.AppendBinary(nil)
	if err == nil {
		err = from.WriteTo(d, to.LocalAddr())
	}
	if err != nil {
		t.Error(err)
	}
}
