package simulation

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/protocol"
	"github.com/pxecast/pxecast/receiver"
)

// TestDiskLies: a disk that does not keep what was written is found out by
// reading it back, and never boots.
func TestDiskLies(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 9, 8<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.send()
		pc := r.joinAs(simnet.Link{}, func(p *pc) {
			p.config.Verify = true
			p.disk.lie = 5*protocol.BlockSize + 17
		})
		r.finish()
		if pc.err == nil || !strings.Contains(pc.err.Error(), "reading back") {
			r.Errorf("%v, want that reading back found it", pc.err)
		}
		r.unbootable(pc)
	})
}

// TestSenderLies: a sender whose manifest is not the one that its announcement
// binds writes nothing anywhere.
func TestSenderLies(t *testing.T) {
	t.Parallel()
	p := newPicture(t, 9, 2<<20, true)
	simulate(t, 1, p, simnet.Options{}, func(r *room) {
		r.send()
		ctx, cancel := context.WithCancel(context.Background())
		var heard receiver.Heard
		host := r.net.Host("pc1")
		receiver.Discover(ctx, host, netip.Addr{}, func(h receiver.Heard) { heard = h; cancel() })
		heard.ImageID[0] ^= 1 // what another, trusted announcement would bind
		disk := &memoryDisk{data: make([]byte, len(p.raw))}
		_, err := receiver.Run(context.Background(), receiver.Config{Network: host, ID: 1}, heard, disk)
		if err == nil || disk.begun || disk.written > 0 {
			r.Errorf("%v; disk begun %v, %d bytes written", err, disk.begun, disk.written)
		}
		r.cancel()
		r.finish()
	})
}
