package image

import (
	"encoding/binary"
	"fmt"
)

// A builder collects a manifest while the image is read.
type builder struct {
	runs    []byte // in their encoding
	last    uint32 // run being extended, not in runs yet
	entries []byte
}

// add extends the image by blocks of one kind.
func (b *builder) add(kind, blocks uint32) {
	if b.last != 0 && b.last&zeroBit == kind {
		b.last += blocks
		return
	}
	b.flush()
	b.last = kind | blocks
}

func (b *builder) flush() {
	if b.last != 0 {
		b.runs = binary.BigEndian.AppendUint32(b.runs, b.last)
	}
	b.last = 0
}

func (b *builder) addZero(blocks uint32) { b.add(zeroBit, blocks) }

// addData adds one data block. It fails when the manifest becomes too large.
func (b *builder) addData(frameLen int, d Digest) error {
	b.add(0, 1)
	b.entries = binary.BigEndian.AppendUint32(b.entries, uint32(frameLen))
	b.entries = append(b.entries, d[:]...)
	if size := headerSize + len(b.runs) + runSize + len(b.entries); size > MaxManifest {
		return fmt.Errorf("image holds too much data: its manifest grows beyond %d MiB, which is about 930 GiB of data", MaxManifest>>20)
	}
	return nil
}

// manifest returns the manifest of an image of rawSize bytes, parsed back:
// what we write is held to the same rules as what we read.
func (b *builder) manifest(rawSize int64) (*Manifest, error) {
	b.flush()
	be := binary.BigEndian
	p := make([]byte, 0, headerSize+len(b.runs)+len(b.entries))
	p = append(p, manifestMagic...)
	p = be.AppendUint16(p, manifestVersion)
	p = be.AppendUint16(p, 0)
	p = be.AppendUint64(p, uint64(rawSize))
	p = be.AppendUint32(p, blockSize)
	p = be.AppendUint32(p, uint32(len(b.runs)/runSize))
	p = be.AppendUint32(p, uint32(len(b.entries)/entrySize))
	p = append(p, b.runs...)
	p = append(p, b.entries...)
	return ParseManifest(p)
}
