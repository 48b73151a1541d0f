package sender

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// manifestOf returns the manifest of an image with blocks of these frame
// lengths; 0 is a zero block.
func manifestOf(t testing.TB, frames ...int) *image.Manifest {
	t.Helper()
	var runs, entries []byte
	count, data := 0, 0
	for i := 0; i < len(frames); {
		n := i
		for n < len(frames) && (frames[n] == 0) == (frames[i] == 0) {
			n++
		}
		head := uint32(n - i)
		if frames[i] == 0 {
			head |= 1 << 31
		}
		runs = binary.BigEndian.AppendUint32(runs, head)
		count++
		for ; i < n; i++ {
			if frames[i] != 0 {
				entries = binary.BigEndian.AppendUint32(entries, uint32(frames[i]))
				entries = append(entries, make([]byte, 32)...)
				data++
			}
		}
	}
	b := []byte{'P', 'X', 'E', 'M', 0, 1, 0, 0}
	b = binary.BigEndian.AppendUint64(b, uint64(len(frames))*protocol.BlockSize)
	for _, x := range []int{protocol.BlockSize, count, data} {
		b = binary.BigEndian.AppendUint32(b, uint32(x))
	}
	m, err := image.ParseManifest(append(append(b, runs...), entries...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// noise is a Source whose frame i is filled from its number.
type noise struct{ m *image.Manifest }

func (n noise) Manifest() *image.Manifest { return n.m }
func (n noise) Prefetch(int, int)         {}

func (n noise) ReadFrame(i int, buf []byte) ([]byte, error) {
	if len(buf) != n.m.FrameLen(i) {
		return nil, errors.New("a frame of another length was asked for")
	}
	for j := range buf {
		buf[j] = byte(i*131 + j*j>>3 + j)
	}
	return buf, nil
}
