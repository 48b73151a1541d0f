package lane

import (
	"sync"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// Source is a packed image, see image.Packed.
type Source interface {
	Manifest() *image.Manifest
	ReadFramePart(i, off int, p []byte) error
}

// NewPackedStore returns the Store of a packed image: it has all data blocks,
// with their frames as they are.
func NewPackedStore(s Source) PackedStore {
	return &packedStore{source: s, have: sync.OnceValue(func() []byte { return haveAll(s.Manifest()) })}
}

type packedStore struct {
	source Source
	have   func() []byte
}

// haveAll returns the set of all data blocks as it is served.
func haveAll(m *image.Manifest) []byte {
	set := blockset.New(m.Blocks())
	for _, r := range m.Runs() {
		if !r.Zero {
			set.AddRange(int(r.First), int(r.First)+int(r.Blocks))
		}
	}
	return set.AppendBinary(nil)
}

func (p *packedStore) Manifest() *image.Manifest { return p.source.Manifest() }

func (p *packedStore) Has(s protocol.SBN) bool {
	_, data := p.source.Manifest().Index(s)
	return data
}

func (p *packedStore) AppendHave(b []byte) []byte { return append(b, p.have()...) }

func (p *packedStore) AppendFrame(dst []byte, s protocol.SBN) ([]byte, error) {
	m := p.source.Manifest()
	i, data := m.Index(s)
	if !data {
		return dst, errLacks
	}
	at, n := len(dst), m.FrameLen(i)
	dst = append(dst, make([]byte, n)...)
	if err := p.source.ReadFramePart(i, 0, dst[at:]); err != nil {
		return dst[:at], err
	}
	return dst, nil
}

func (p *packedStore) PackedFrame(i, off int, b []byte) error {
	return p.source.ReadFramePart(i, off, b)
}
