package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/protocol"
)

const (
	// window is the most bytes of data on their way: half of what the receivers'
	// sockets hold, in each of which a datagram takes at most twice its length.
	window = 8 << 20
	// greeting is how often the sender asks for a count when none comes by
	// itself: while receivers are missing, and for the last bytes.
	greeting = 10 * time.Millisecond
	// trainsPerWrite is how many trains go out in one system call, as many as a
	// session's.
	trainsPerWrite = 4
)

// send sends bytes of symbols, cut as pxecast cuts them, to so many receivers.
func send(ctx context.Context, network mcast.Network, symbol int, bytes int64, receivers int) error {
	conn, err := network.Open(0)
	if err != nil {
		return err
	}
	size := int64(protocol.DataHeaderSize + symbol)
	datagrams := (bytes + int64(symbol) - 1) / int64(symbol)
	s := sender{conn: conn, size: size, left: datagrams, total: datagrams * size,
		window: counts{of: map[netip.AddrPort]int64{}, receivers: receivers}, heard: make(chan count)}
	ctx, cancel := context.WithCancel(ctx)
	g, ctx := errgroup.WithContext(ctx)
	context.AfterFunc(ctx, func() { conn.Close() })
	g.Go(func() error { return s.listen(ctx) })
	g.Go(func() error {
		defer cancel() // ends listen
		return s.run(ctx, newTrains(int(size), symbol))
	})
	return g.Wait()
}

// newTrains lays out what one system call sends.
func newTrains(size, symbol int) []mcast.Train {
	trains := make([]mcast.Train, trainsPerWrite)
	for i := range trains {
		trains[i] = newTrain(size, symbol)
	}
	return trains
}

// newTrain lays out a train as large as one fits, header and symbol of each
// datagram in two places, as pxecast has them.
func newTrain(size, symbol int) mcast.Train {
	t := mcast.Train{Size: size}
	block := make([]byte, mcast.TrainLimit(size)*symbol)
	for i := range mcast.TrainLimit(size) {
		header := make([]byte, size-symbol)
		putHead(header, kindData, 0)
		t.Parts = append(t.Parts, header, block[i*symbol:][:symbol])
	}
	return t
}

type sender struct {
	conn        mcast.Conn
	size        int64 // of a datagram, bytes
	left        int64 // datagrams to send
	sent, total int64 // bytes
	window      counts
	heard       chan count
}

// count is what one receiver says that it has.
type count struct {
	from  netip.AddrPort
	bytes int64
}

// run sends as the counts allow.
func (s *sender) run(ctx context.Context, trains []mcast.Train) error {
	ask := time.NewTicker(greeting)
	defer ask.Stop()
	news := time.Now()
	for s.window.least() < s.total {
		if least := s.window.least(); least >= 0 && s.left > 0 && s.sent-least < window {
			if err := s.write(trains); err != nil {
				return err
			}
			select {
			case c := <-s.heard:
				s.window.add(c)
			default:
			}
			news = time.Now()
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-s.heard:
			if s.window.add(c) {
				news = time.Now()
			}
		case <-ask.C:
			if s.sent > 0 && time.Since(news) > patience {
				return fmt.Errorf("%w: the least count is %d bytes, %d were sent", errSilent, s.window.least(), s.sent)
			}
			if err := s.tell(kindHello, s.total); err != nil {
				return err
			}
		}
	}
	return s.tell(kindEnd, 0)
}

func (s *sender) tell(kind byte, n int64) error {
	var d [headBytes]byte
	putHead(d[:], kind, n)
	return s.conn.WriteTo(d[:], group)
}

func (s *sender) write(trains []mcast.Train) error {
	for i := range trains {
		n := min(s.left, int64(trains[i].Len()))
		s.left -= n
		s.sent += n * s.size
		trains[i].Parts = trains[i].Parts[:n*mcast.PartsPer]
		if s.left == 0 {
			trains = trains[:i+1]
			break
		}
	}
	return s.conn.WriteTrains(group, trains)
}

// listen reads the receivers' counts until the socket is closed.
func (s *sender) listen(ctx context.Context) error {
	batch := mcast.NewBatch(messages)
	for {
		if err := s.conn.Read(batch, time.Time{}); err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		for d, from := range batch.Datagrams() {
			kind, n := head(d)
			if kind != kindCount {
				continue
			}
			select {
			case s.heard <- count{from, n}:
			case <-ctx.Done():
				return nil
			}
		}
	}
}
