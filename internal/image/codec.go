package image

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pxecast/pxecast/internal/image/frame"
	"github.com/pxecast/pxecast/protocol"
)

const blockSize = protocol.BlockSize

// Every frame has room where frames travel.
const _ uint = protocol.MaxFrame - blockSize - frame.Overhead

// A Level says how much time packing spends to make the packed image smaller.
// It changes the image ID, since it changes the frames; nothing else.
type Level int

// frameVersion counts the changes to what the encoders make of a block: packed
// images of before are not taken from the cache.
const frameVersion = 2

// The levels; the zero value is Default.
const (
	Default Level = iota
	Better
)

var levels = []struct {
	name    string
	encoder func() (encoder, error)
}{
	Default: {"default", func() (encoder, error) { return frame.NewEncoder(), nil }},
	Better:  {"better", newBetterEncoder},
}

// String returns the name of the level on the command line.
func (l Level) String() string { return levels[l].name }

// ParseLevel parses what String returns.
func ParseLevel(s string) (Level, error) {
	for i, l := range levels {
		if l.name == s {
			return Level(i), nil
		}
	}
	return 0, fmt.Errorf("level %q: want default or better", s)
}

// An encoder appends the frame of a block to dst. For one level it makes the
// same frame of the same block always: the frame has one segment, and nothing
// of the calls before.
type encoder interface {
	EncodeAll(raw, dst []byte) []byte
}

func newEncoder(l Level) (encoder, error) {
	if l < 0 || int(l) >= len(levels) {
		return nil, fmt.Errorf("level %d does not exist", int(l))
	}
	return levels[l].encoder()
}

func newBetterEncoder() (encoder, error) {
	return zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(blockSize),
		zstd.WithSingleSegment(true),
		zstd.WithEncoderCRC(true))
}

// A Decoder decodes frames of blocks. It is not safe for concurrent use: each
// worker has one.
type Decoder struct{ z *zstd.Decoder }

// NewDecoder returns a Decoder that leaves checking to the digest: it ignores
// the checksum of the frame.
func NewDecoder() *Decoder { return newDecoder(true) }

func newDecoder(ignoreChecksum bool) *Decoder {
	z, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxMemory(blockSize),
		zstd.WithDecodeAllCapLimit(true),
		zstd.IgnoreChecksum(ignoreChecksum))
	if err != nil {
		panic(err) // only wrong options fail
	}
	return &Decoder{z}
}

// Overrun is how far behind the end of a block the decoder likes to write: its
// copies are then of whole vector registers, which saves a quarter of the time.
const Overrun = 16

// Decode decodes one frame of a block of rawLen bytes, 1..BlockSize, and
// returns them in dst's memory, which it overwrites; it allocates only when
// cap(dst) < rawLen, and is fastest when cap(dst) ≥ rawLen + Overrun. A frame
// of any other length, and anything after the frame, is an error. The content
// is not verified.
func (d *Decoder) Decode(dst, frame []byte, rawLen int) ([]byte, error) {
	if rawLen < 1 || rawLen > blockSize {
		return nil, fmt.Errorf("decode block: %d bytes are no block", rawLen)
	}
	if err := checkFrame(frame, rawLen); err != nil {
		return nil, fmt.Errorf("decode block: %w", err)
	}
	if cap(dst) < rawLen {
		dst = make([]byte, rawLen+Overrun)
	}
	out, err := d.z.DecodeAll(frame, dst[:0:min(cap(dst), rawLen+Overrun)])
	if err != nil {
		return nil, fmt.Errorf("decode block: %w", err)
	}
	if len(out) != rawLen {
		return nil, fmt.Errorf("decode block: frame holds %d bytes instead of %d", len(out), rawLen)
	}
	return out, nil
}

var errFrame = errors.New("not the zstd frame of a block")

// checkFrame checks that frame is one zstd frame as newEncoder makes them, with
// nothing after it: DecodeAll would go on to the next frame and skip what it
// may skip. The fields are those of RFC 8878 §3.1.1.
func checkFrame(frame []byte, rawLen int) error {
	const singleSegment, checksum, known = 1 << 5, 1 << 2, 0xe4 // known also has the size of the content size
	if len(frame) < minFrame || binary.LittleEndian.Uint32(frame) != zstdMagic {
		return errFrame
	}
	d := frame[4]
	if d&^known != 0 || d&singleSegment == 0 || d&checksum == 0 {
		return errFrame
	}
	size, n := 0, 1<<(d>>6) // bytes of content size: 1, 2, 4 or 8
	switch n {
	case 1:
		size = int(frame[5])
	case 2:
		size = int(binary.LittleEndian.Uint16(frame[5:])) + 256
	case 4:
		size = int(binary.LittleEndian.Uint32(frame[5:]))
	}
	if size != rawLen {
		return fmt.Errorf("frame holds %d bytes instead of %d", size, rawLen)
	}
	at := 5 + n
	for last := false; !last; {
		if at+3 > len(frame) {
			return errFrame
		}
		h := int(frame[at]) | int(frame[at+1])<<8 | int(frame[at+2])<<16
		last = h&1 != 0
		at += 3
		if kind := h >> 1 & 3; kind == rleBlockType {
			at++ // one byte, however often it is repeated
		} else {
			at += h >> 3
		}
	}
	if at+4 != len(frame) {
		return errFrame
	}
	return nil
}
