package main

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/pxecast/pxecast/internal/mcast"
)

const (
	// countEvery is how many bytes a receiver takes in between two counts: few
	// enough that the sender never waits for one, many enough to cost nothing.
	countEvery = 256 << 10
	messages   = 32 // of one read, up to 64 KiB each
)

// receive counts what arrives until the sender says that all have everything.
func receive(ctx context.Context, network mcast.Network) error {
	conn, err := network.Open(0)
	if err != nil {
		return err
	}
	defer conn.Close()
	room, err := network.Listen(group, netip.Addr{}, 0)
	if err != nil {
		return err
	}
	defer room.Close()
	stop := context.AfterFunc(ctx, func() { room.Close() })
	defer stop()
	r := receiver{conn: conn}
	batch := mcast.NewBatch(messages)
	for !r.ended {
		var deadline time.Time // none before the sender is there
		if r.sender.IsValid() {
			deadline = time.Now().Add(patience)
		}
		if err := room.Read(batch, deadline); errors.Is(err, os.ErrDeadlineExceeded) {
			return errSilent
		} else if err != nil {
			return errors.Join(ctx.Err(), err)
		}
		if err := r.take(batch); err != nil {
			return err
		}
	}
	return nil
}

type receiver struct {
	conn     mcast.Conn
	sender   netip.AddrPort
	got      int64 // bytes of data
	counted  int64 // of those, told to the sender
	expected int64
	ended    bool
}

func (r *receiver) take(batch *mcast.Batch) error {
	tell := false
	for d, from := range batch.Datagrams() {
		switch kind, n := head(d); kind {
		case kindHello:
			r.sender, r.expected, tell = from, n, true
		case kindData:
			r.got += int64(len(d))
		case kindEnd:
			r.ended = true
		}
	}
	if !tell && r.got < r.expected && r.got-r.counted < countEvery || !r.sender.IsValid() {
		return nil
	}
	r.counted = r.got
	var d [headBytes]byte
	putHead(d[:], kindCount, r.got)
	return r.conn.WriteTo(d[:], r.sender)
}
