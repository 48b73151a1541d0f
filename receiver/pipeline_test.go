package receiver

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// recorder is a Target that keeps what is written and nothing else.
type recorder struct {
	Target
	written []byte
}

func (*recorder) Begin() error { return nil }

func (r *recorder) WriteBlock(_ int64, p []byte) error {
	r.written = append(r.written, p...)
	return nil
}

// TestForgedBlockIsNeverWritten hands the pipeline a frame that decodes without
// complaint, to other bytes than the image's: only the digest can tell. Noise
// is stored as it is in its frame, so one changed byte of it makes such a frame.
func TestForgedBlockIsNeverWritten(t *testing.T) {
	raw := make([]byte, protocol.BlockSize)
	rand.NewChaCha8([32]byte{1}).Read(raw)
	path := filepath.Join(t.TempDir(), "noise.img")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	packed, err := image.Pack(context.Background(), path, path+".zst", image.PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	m := packed.Manifest()
	frame, err := packed.ReadFrame(0, make([]byte, m.FrameLen(0)))
	if err != nil {
		t.Fatal(err)
	}
	put := func(frame []byte) ([]byte, error) {
		target := &recorder{}
		p := newPipeline(target, 1)
		p.manifest = m
		layout := protocol.LayoutOf(len(frame), protocol.DefaultSymbolSize)
		b := &block{object: protocol.ObjectImage, frameLen: len(frame), layout: layout, buffer: make([]byte, layout.K*layout.Size)}
		for e := range layout.K {
			at := e * layout.Size
			b.add(protocol.ESI(e), frame[at:at+layout.Len(protocol.ESI(e))])
		}
		w := worker{newRebuilder(), image.NewDecoder(), disk.AlignedBuffer(protocol.BlockSize)}
		err := p.block(t.Context(), b, &w)
		return target.written, err
	}
	if written, err := put(frame); err != nil || !bytes.Equal(written, raw) {
		t.Fatalf("the image's own frame: %v", err)
	}
	forged := bytes.Clone(frame)
	forged[len(forged)/2] ^= 1
	other, err := image.NewDecoder().Decode(make([]byte, 0, len(raw)), forged, len(raw))
	if err != nil || bytes.Equal(other, raw) {
		t.Fatalf("the forged frame does not decode to other bytes: %v", err)
	}
	if written, err := put(forged); !errors.Is(err, errDigest) || len(written) != 0 {
		t.Errorf("the forged frame: %d bytes written, %v", len(written), err)
	}
}
