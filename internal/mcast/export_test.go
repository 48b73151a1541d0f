package mcast

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// LoopbackHost returns the loopback under the address 127.0.0.1+i, so that
// tests without root have hosts of different addresses.
func LoopbackHost(t *testing.T, i int, opts Options) Network {
	n, err := Interface("lo", opts)
	if err != nil {
		t.Fatal(err)
	}
	d := *n.(*device)
	d.Candidate.Addr = netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)})
	return &d
}

// NewSmallBatch returns a batch with buffers too small for GRO.
func NewSmallBatch(messages, bytes int) *Batch {
	b := NewBatch(messages)
	b.buffers = newBuffers(messages, bytes)
	return b
}

// RefuseGSO makes the kernel refuse segmented sends with EINVAL: it will not
// segment without checksums (udp_send_skb).
func RefuseGSO(t *testing.T, c Conn) {
	err := control(c.(*conn).reader.raw, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// UsesGSO reports whether the socket still tries segmented sends.
func UsesGSO(c Conn) bool {
	w := c.(*conn).writer
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gso
}

// MulticastTTL returns what the socket puts into multicast packets.
func MulticastTTL(t *testing.T, c Conn) (ttl int) {
	err := control(c.(*conn).reader.raw, func(fd int) (err error) {
		ttl, err = unix.GetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_TTL)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ttl
}
