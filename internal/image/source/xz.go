package source

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// xzFooter is the size of an xz stream footer, .xz file format 1.2.1 §2.1.2:
// CRC32 of the next six bytes, backward size, flags, "YZ".
const xzFooter = 12

// xzTail passes an xz file through and remembers the last bytes before its
// padding (zeros; a footer ends in 'Z').
type xzTail struct {
	r     io.Reader
	last  [xzFooter]byte // ends in the last byte that was not zero
	zeros int            // zero bytes since, at most xzFooter count
}

func (t *xzTail) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.note(p[:n])
	return n, err
}

func (t *xzTail) note(p []byte) {
	end := len(p)
	for end > 0 && p[end-1] == 0 {
		end--
	}
	if end == 0 {
		t.zeros += min(len(p), xzFooter)
		return
	}
	data := p[max(0, end-xzFooter):end]
	if keep := xzFooter - len(data); keep > 0 {
		var before [xzFooter]byte // what stood before data, zeros included
		copy(before[:], t.last[min(t.zeros, xzFooter):])
		copy(t.last[:keep], before[xzFooter-keep:])
	}
	copy(t.last[xzFooter-len(data):], data)
	t.zeros = len(p) - end
}

// complete reports whether what was read ends with a sound stream footer.
func (t *xzTail) complete() bool {
	f := t.last
	return f[10] == 'Y' && f[11] == 'Z' && crc32.ChecksumIEEE(f[4:10]) == binary.LittleEndian.Uint32(f[:4])
}

// xzDictionary returns the size of the LZMA2 dictionary that the first block
// of an xz file wants, 0 when head does not tell. xz writes the same size for
// all blocks.
func xzDictionary(head []byte) int64 {
	const streamHeader = 12
	if len(head) < streamHeader+1 {
		return 0
	}
	block := head[streamHeader:]
	size := (int(block[0]) + 1) * 4
	if block[0] == 0 || len(block) < size {
		return 0
	}
	// The filter flags of LZMA2 are the last: ID 0x21, size of properties 1,
	// dictionary size; zeros of padding and a CRC32 follow (§3.1).
	fields := block[2 : size-4]
	for i := len(fields) - 3; i >= 0; i-- {
		if fields[i] == 0x21 && fields[i+1] == 1 && fields[i+2] <= 40 {
			b := fields[i+2]
			return int64(2|b&1) << (b/2 + 11) // §5.3.1
		}
	}
	return 0
}
