package sender

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

// asked is a sender's control and a machine that writes to it.
type asked struct {
	*testing.T
	c      *control
	server mcast.Conn
	pc     mcast.Conn
	batch  *mcast.Batch
}

func ask(t *testing.T, play func(a *asked)) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(1, simnet.Options{})
		defer net.Close()
		server, err := openReport(net.Host("server"))
		if err != nil {
			t.Fatal(err)
		}
		pc, err := net.Host("pc").Open(0)
		if err != nil {
			t.Fatal(err)
		}
		a := &asked{t, newControl(7, server), server, pc, mcast.NewBatch(1)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			a.c.run(t.Context())
		}()
		play(a)
		server.Close()
		<-done
	})
}

func (a *asked) write(d []byte) {
	a.Helper()
	if err := a.pc.WriteTo(d, a.server.LocalAddr()); err != nil {
		a.Fatal(err)
	}
}

// answers returns all that came back.
func (a *asked) answers() (all [][]byte) {
	a.Helper()
	for {
		err := a.pc.Read(a.batch, time.Now().Add(10*time.Millisecond))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return all
		}
		if err != nil {
			a.Fatal(err)
		}
		for d := range a.batch.Datagrams() {
			all = append(all, bytes.Clone(d))
		}
	}
}

func solicit(t testing.TB) []byte {
	d, err := (&protocol.Solicit{}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestSolicitIsAnsweredWithTheLatestAnnouncement, byte by byte as all heard it;
// before the first there is nothing to say.
func TestSolicitIsAnsweredWithTheLatestAnnouncement(t *testing.T) {
	ask(t, func(a *asked) {
		question := solicit(t)
		a.write(question)
		if got := a.answers(); len(got) != 0 {
			t.Errorf("%d answers before there was an announcement", len(got))
		}
		buffer := []byte("first")
		a.c.answers.announced(buffer)
		copy(buffer, "other") // it is the session's, which goes on writing to it
		a.write(question)
		if got := a.answers(); len(got) != 1 || string(got[0]) != "first" {
			t.Errorf("answers %q, want the first", got)
		}
		a.c.answers.announced([]byte("second"))
		a.write(question)
		if got := a.answers(); len(got) != 1 || string(got[0]) != "second" {
			t.Errorf("answers %q, want the second", got)
		}
	})
}

// TestSolicitsCostNoMore: of a flood only so many a second are answered, and
// when it is over everybody is at once.
func TestSolicitsCostNoMore(t *testing.T) {
	ask(t, func(a *asked) {
		a.c.answers.announced(make([]byte, protocol.MaxAnnounce))
		question := solicit(t)
		const seconds = 3
		for range seconds * 1000 {
			a.write(question)
			<-time.After(time.Millisecond)
		}
		most := answersAtOnce + seconds*int(time.Second/answerEach)
		if got := len(a.answers()); got > most || got < most*9/10 {
			t.Errorf("%d of %d questions answered, want %d", got, seconds*1000, most)
		}
	})
}

// asks has machines 0 to n-1 ask at once, and returns how many are answered.
func (a *answers) asks(now time.Time, n int) (answered int) {
	for i := range n {
		if a.answer(now, netip.AddrFrom4([4]byte{10, 1, 2, byte(i)})) != nil {
			answered++
		}
	}
	return answered
}

// TestRoomIsAnsweredAtOnce: machines are switched on together.
func TestRoomIsAnsweredAtOnce(t *testing.T) {
	a, now := answers{to: newShares(1 << 13)}, time.Unix(1e9, 0)
	a.announced([]byte("here we are"))
	for range 3 {
		if got := a.asks(now, answersAtOnce); got < answersAtOnce*9/10 { // some have a share together
			t.Errorf("%d machines that ask at once are answered, want %d", got, answersAtOnce)
		}
		now = now.Add(time.Second)
	}
}

// TestEachIsAnsweredInItsTurn: while others ask all the time, whoever asks once a
// second is answered.
func TestEachIsAnsweredInItsTurn(t *testing.T) {
	a, now := answers{to: newShares(1 << 13)}, time.Unix(1e9, 0)
	a.announced([]byte("here we are"))
	missed := 0
	for ms := range 20_000 {
		now = now.Add(time.Millisecond)
		a.asks(now, 4)
		if ms%1000 == 999 && a.answer(now, netip.MustParseAddr("10.1.9.9")) == nil {
			missed++
		}
	}
	if missed > 0 {
		t.Errorf("not answered %d times of 20", missed)
	}
}

// TestNobodyIsFloodedThroughUs: whatever comes from an address that nobody has
// proven, what goes back there is not longer, even if the longest announcement
// is all there is to say.
func TestNobodyIsFloodedThroughUs(t *testing.T) {
	join, err := (&protocol.Join{Session: 7}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	long, err := (&protocol.Join{Session: 7, Peer: 1, Name: "a-machine-with-a-name"}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := (&protocol.Report{Session: 7, Serial: 1, State: protocol.ReceiverDone}).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	questions := [][]byte{solicit(t), solicit(t)[:445], append(solicit(t), 0), join, long, report, {}, []byte("garbage")}
	ask(t, func(a *asked) {
		a.c.answers.announced(make([]byte, protocol.MaxAnnounce))
		for i, q := range questions {
			if len(q) > 8 && i != 0 {
				q = bytes.Clone(q) // cut or lengthened by somebody who knows how
				for j, b := range sum(q) {
					q[j] = b
				}
			}
			a.write(q)
			back := 0
			for _, d := range a.answers() {
				back += len(d)
			}
			if back > len(q) {
				t.Errorf("question %d of %d bytes brings %d", i, len(q), back)
			}
			if answered := back > 0; answered != (i == 0 || i == 3 || i == 4) {
				t.Errorf("question %d answered: %v", i, answered)
			}
		}
	})
}

func sum(d []byte) []byte {
	if len(d) < protocol.HeaderSize {
		return nil
	}
	v := protocol.Checksum(d)
	return []byte{byte(v >> 56), byte(v >> 48), byte(v >> 40), byte(v >> 32), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// TestReportAddressIsWhereASolicitLooks: the first free one of its ports; with
// all of them taken a sender still works.
func TestReportAddressIsWhereASolicitLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(1, simnet.Options{})
		defer net.Close()
		h := net.Host("server")
		open := func() (mcast.Conn, uint16) {
			c, err := openReport(h)
			if err != nil {
				t.Fatal(err)
			}
			return c, c.LocalAddr().Port()
		}
		var third mcast.Conn
		for i := range protocol.SolicitPorts {
			c, port := open()
			if want := protocol.SolicitPort(i); port != want {
				t.Errorf("sender %d is at port %d, want %d", i+1, port, want)
			}
			if i == 2 {
				third = c
			}
		}
		if _, port := open(); port == 0 || port >= protocol.SolicitPort(0) && port < protocol.SolicitPort(protocol.SolicitPorts) {
			t.Errorf("one sender too many is at port %d", port)
		}
		third.Close()
		if _, port := open(); port != protocol.SolicitPort(2) {
			t.Errorf("after one has ended the next is at port %d, want %d", port, protocol.SolicitPort(2))
		}
		if other, err := openReport(net.Host("other")); err != nil || other.LocalAddr() != netip.AddrPortFrom(net.Host("other").Addr(), protocol.SolicitPort(0)) {
			t.Errorf("another machine: %v, %v", other, err)
		}
	})
}

// TestSolicitOverRealSockets: a sender that runs on the loopback answers who asks
// there with its signed announcement, from its report address.
func TestSolicitOverRealSockets(t *testing.T) {
	network, err := mcast.Interface("lo", mcast.Options{})
	if err != nil {
		t.Skip(err)
	}
	key, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	pc, err := network.Open(0)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		Run(ctx, Config{Network: network, Source: noise{imagetest.Manifest(t, 1000)}, Key: key, Name: "here"})
	})
	b := mcast.NewBatch(1)
	for ctx.Err() == nil {
		for i := range protocol.SolicitPorts {
			if err := pc.WriteTo(solicit(t), netip.AddrPortFrom(network.Addr(), protocol.SolicitPort(i))); err != nil {
				t.Fatal(err)
			}
		}
		for pc.Read(b, time.Now().Add(20*time.Millisecond)) == nil {
			for d, from := range b.Datagrams() {
				a, signed, err := protocol.ParseAnnounce(d)
				if err != nil {
					t.Fatal(err)
				}
				if a.PublicKey != key.Public() {
					continue // of another program's sender
				}
				if a.Report != from || a.Name != "here" || !key.Public().Verify(protocol.ContextAnnounce, signed, trust.Signature(a.Signature)) {
					t.Errorf("%v announces %+v", from, a)
				}
				cancel()
				return
			}
		}
	}
	t.Error("no answer")
}
