package mcast

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTrainLimit(t *testing.T) {
	for size, want := range map[int]int{
		0: 64, 1: 64, 1023: 64, 1024: 63, 1448: 45, 8936: 7, 32753: 2, 32754: 1, 65507: 1, 70000: 1,
	} {
		if got := TrainLimit(size); got != want {
			t.Errorf("TrainLimit(%d) = %d, want %d", size, got, want)
		}
	}
}

func TestBatchStopsWhenAsked(t *testing.T) {
	b := NewBatch(2)
	from := netip.MustParseAddrPort("192.0.2.1:9")
	b.Append([]byte("aabbc"), 2, from)
	b.Append([]byte("dd"), 9, from)
	if b.Len() != 4 || !b.Full() {
		t.Fatalf("%d datagrams, full %v; want 4 in a full batch", b.Len(), b.Full())
	}
	want := []string{"aa", "bb", "c", "dd"}
	for stop := range len(want) {
		i := 0
		for d := range b.Datagrams() {
			if string(d) != want[i] {
				t.Errorf("datagram %d is %q, want %q", i, d, want[i])
			}
			if cap(d) != len(d) && i < 2 {
				t.Errorf("appending to datagram %d would change the next", i)
			}
			if i++; i > stop {
				break
			}
		}
		if i != stop+1 {
			t.Errorf("got %d datagrams after a break at %d", i, stop+1)
		}
	}
}

// FuzzSegmentSize: whatever the kernel says, the length is found or 0.
func FuzzSegmentSize(f *testing.F) {
	control := make([]byte, controlBytes)
	control[0], control[8], control[12] = byte(unix.CmsgLen(4)), unix.SOL_UDP, unix.UDP_GRO
	control[16], control[17] = 0xa8, 0x05
	if got := segmentSize(control[:unix.CmsgSpace(4)]); unix.SizeofCmsghdr == 16 && got != 1448 {
		f.Fatalf("segment size %d, want 1448", got)
	}
	f.Add(control)
	f.Add(control[:17])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// The kernel's buffers are aligned.
		aligned := make([]byte, len(b), len(b)+unix.SizeofCmsghdr)
		copy(aligned, b)
		segmentSize(aligned)
	})
}
