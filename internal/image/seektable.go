package image

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/pxecast/pxecast/protocol"
)

// Magic numbers, little-endian in the file. The seek table is that of the
// "Zstandard Seekable Format" 0.1.0 in zstd's contrib folder.
const (
	zstdMagic      = 0xFD2FB528
	manifestFrame  = 0x184D2A5D // a skippable frame (RFC 8878 §3.1.2)
	seekTableFrame = 0x184D2A5E
	seekableFooter = 0x8F92EAB1
)

const (
	skippableHeader = 4 + 4 // magic, size
	seekEntry       = 4 + 4 // compressed and decompressed size; no checksum
	seekFooter      = 4 + 1 + 4
)

// seekTableSize returns the bytes of the seek table of that many frames.
func seekTableSize(frames int) int64 {
	return skippableHeader + seekEntry*int64(frames) + seekFooter
}

// frameSizes returns the compressed and raw size of every frame in file order,
// the manifest's last.
func (m *Manifest) frameSizes() iter.Seq2[uint32, uint32] {
	return func(yield func(uint32, uint32) bool) {
		i := 0
		for _, r := range m.runs {
			if r.Zero {
				for raw := range m.zeroFrames(r) {
					if !yield(uint32(zeroFrameLen(raw)), uint32(raw)) {
						return
					}
				}
				continue
			}
			for s := r.First; s < r.First+protocol.SBN(r.Blocks); s++ {
				if !yield(uint32(m.FrameLen(i)), uint32(m.RawLen(s))) {
					return
				}
				i++
			}
		}
		yield(uint32(m.manifestFrame()), 0)
	}
}

// writeTail writes what follows the last frame of the image: the manifest and
// the seek table.
func writeTail(w *bufio.Writer, m *Manifest) error {
	le := binary.LittleEndian
	b := w.AvailableBuffer()
	b = le.AppendUint32(b, manifestFrame)
	b = le.AppendUint32(b, uint32(len(m.bytes)))
	w.Write(b)
	w.Write(m.bytes)
	b = w.AvailableBuffer()
	b = le.AppendUint32(b, seekTableFrame)
	b = le.AppendUint32(b, uint32(seekTableSize(m.frames)-skippableHeader))
	w.Write(b)
	for size, raw := range m.frameSizes() {
		w.Write(le.AppendUint32(le.AppendUint32(w.AvailableBuffer(), size), raw))
	}
	b = le.AppendUint32(w.AvailableBuffer(), uint32(m.frames))
	b = append(b, 0) // Seek_Table_Descriptor: no checksums
	w.Write(le.AppendUint32(b, seekableFooter))
	return w.Flush() // bufio keeps the first error
}

// checkTail reads the manifest's frame header and the seek table and compares
// them with what the manifest says they are.
func checkTail(r io.ReaderAt, m *Manifest) error {
	le := binary.LittleEndian
	var h [skippableHeader]byte
	if _, err := r.ReadAt(h[:], m.dataBytes()); err != nil {
		return err
	}
	if le.Uint32(h[:]) != manifestFrame || le.Uint32(h[4:]) != uint32(len(m.bytes)) {
		return errors.New("its frames do not end where its manifest begins")
	}
	table := m.dataBytes() + m.manifestFrame()
	br := bufio.NewReaderSize(io.NewSectionReader(r, table, m.packed-table), 64<<10)
	var failed error
	read := func(n int) []byte { // valid until the next; zeros once reading failed
		b, err := br.Peek(n)
		if err != nil {
			failed = err
			return make([]byte, n)
		}
		br.Discard(n)
		return b
	}
	b := read(skippableHeader)
	if failed != nil {
		return failed
	}
	if le.Uint32(b) != seekTableFrame || int64(le.Uint32(b[4:])) != seekTableSize(m.frames)-skippableHeader {
		return errors.New("its seek table does not follow its manifest")
	}
	i := 0
	for size, raw := range m.frameSizes() {
		b := read(seekEntry)
		if le.Uint32(b) != size || le.Uint32(b[4:]) != raw {
			return cmp.Or(failed, fmt.Errorf("its seek table and manifest disagree about frame %d", i))
		}
		i++
	}
	b = read(seekFooter)
	if failed != nil || le.Uint32(b) != uint32(m.frames) || b[4] != 0 || le.Uint32(b[5:]) != seekableFooter {
		return cmp.Or(failed, errors.New("its seek table ends wrongly"))
	}
	return nil
}
