package image

import (
	"bytes"
	"encoding/binary"
)

const (
	// maxZeroFrame is the most raw bytes of one zero frame: the sizes in the
	// seek table have 32 bits, and 32 KiB are a cheap frame to rewrite.
	maxZeroFrame = 1 << 30

	// zeroBlock is the raw size of one RLE block, and the frame's window: the
	// largest that zstd allows in a block (RFC 8878 §3.1.1.2.4).
	zeroBlock = 128 << 10

	// zeroFrameHeader: magic, descriptor, window descriptor, 8 bytes of
	// content size.
	zeroFrameHeader = 4 + 1 + 1 + 8

	// rleBlock: a block header of 3 bytes and the repeated byte.
	rleBlock = 4

	// rleBlockType is the Block_Type of a block header (RFC 8878 §3.1.1.2.2).
	rleBlockType = 1
)

// zeroFrameLen returns the length of the zero frame of raw bytes, 1..maxZeroFrame.
func zeroFrameLen(raw int64) int64 {
	return zeroFrameHeader + rleBlock*((raw+zeroBlock-1)/zeroBlock)
}

// appendZeroFrame appends the zstd frame of raw zero bytes, 1..maxZeroFrame
// (RFC 8878 §3.1.1). There is exactly one such frame for every length, so that
// a reader can tell that it holds nothing else.
func appendZeroFrame(b []byte, raw int64) []byte {
	const (
		contentSize8 = 3 << 6 // Frame_Content_Size of 8 bytes, no checksum, no dictionary
		window128K   = 7 << 3 // Window_Descriptor: 2^(10+7)
		rle          = rleBlockType << 1
		last         = 1 // Last_Block
	)
	le := binary.LittleEndian
	b = le.AppendUint32(b, zstdMagic)
	b = append(b, contentSize8, window128K)
	b = le.AppendUint64(b, uint64(raw))
	for ; raw > zeroBlock; raw -= zeroBlock {
		b = le.AppendUint32(b, zeroBlock<<3|rle) // the fourth byte is the one repeated: 0
	}
	return le.AppendUint32(b, uint32(raw)<<3|rle|last)
}

// IsZero reports whether p holds nothing but zeros.
func IsZero(p []byte) bool {
	for len(p) > len(zeros) {
		if !bytes.Equal(p[:len(zeros)], zeros[:]) {
			return false
		}
		p = p[len(zeros):]
	}
	return bytes.Equal(p, zeros[:len(p)])
}

// zeros stays in the first-level cache while a block is compared with it.
var zeros [4096]byte
