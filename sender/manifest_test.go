package sender

import (
	"errors"

	"github.com/pxecast/pxecast/internal/image"
)

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
