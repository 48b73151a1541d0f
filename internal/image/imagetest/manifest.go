// Package imagetest makes manifests for the tests of those who use them.
package imagetest

import (
	"encoding/binary"
	"testing"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// Manifest returns the manifest of an image with blocks of these frame
// lengths; 0 is a zero block.
func Manifest(t testing.TB, frames ...int) *image.Manifest {
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
