package sender

import (
	"fmt"
	"net/netip"
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

// TestFloodFromOneAddress: a machine that writes as fast as it can does not keep
// others from joining and reporting.
func TestFloodFromOneAddress(t *testing.T) {
	ask(t, func(a *asked) {
		other := a.c.cookie(netip.MustParseAddrPort("10.0.0.99:9"))
		own := a.c.cookie(a.pc.LocalAddr())
		j := protocol.Join{Session: 7, Cookie: own}
		r := protocol.Report{Session: 7, Cookie: own, State: protocol.ReceiverReceiving, To: protocol.MaxSBN}
		for i := range 5 * reportQueue {
			j.Nonce, r.Serial = uint64(i), uint32(i+1)
			write(a.T, a.pc, a.server, &r)
			d, err := j.AppendBinary(nil)
			if err != nil {
				a.Fatal(err)
			}
			a.write(d)
		}
		synctest.Wait()
		j.Cookie, r.Cookie = other, other
		before, beforeReports := len(a.c.joins), len(a.c.reports)
		d, _ := j.AppendBinary(nil)
		a.c.datagram(d, netip.MustParseAddrPort("10.0.0.99:9"))
		d, _ = r.AppendBinary(nil)
		a.c.datagram(d, netip.MustParseAddrPort("10.0.0.99:9"))
		if before == 0 || len(a.c.joins) != before+1 {
			a.Errorf("%d JOINs of the flood wait; another's was dropped", before)
		}
		if beforeReports == 0 || len(a.c.reports) != beforeReports+1 {
			a.Errorf("%d REPORTs of the flood wait; another's was dropped", beforeReports)
		}
	})
}
