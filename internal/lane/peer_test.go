package lane

import (
	"sync"
	"testing"

	"github.com/pxecast/pxecast/internal/blockset"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
)

// peer is the Store of a receiver that has some of an image's blocks.
type peer struct {
	of *made // nil: no manifest yet

	mu   sync.Mutex
	have *blockset.Set
}

func newPeer(of *made, blocks ...int) *peer {
	p := &peer{of: of}
	if of != nil {
		p.have = blockset.New(of.m.Blocks())
		for _, b := range blocks {
			p.have.Add(b)
		}
	}
	return p
}

func (p *peer) Manifest() *image.Manifest {
	if p.of == nil {
		return nil
	}
	return p.of.m
}

func (p *peer) Has(s protocol.SBN) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have.Has(int(s))
}

func (p *peer) AppendHave(b []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have.AppendBinary(b)
}

func (p *peer) AppendFrame(dst []byte, s protocol.SBN) ([]byte, error) {
	i, _ := p.of.m.Index(s)
	if p.of.broken != nil {
		return dst, p.of.broken
	}
	return append(dst, p.of.frame(i)...), nil
}

// serve starts a server that the test stops.
func serve(t *testing.T, cfg ServerConfig) *Server {
	t.Helper()
	cfg.Addr = loopback
	s, err := Serve(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// serveTFTP starts a server that the test stops.
func serveTFTP(t *testing.T, cfg TFTPConfig) *TFTPServer {
	t.Helper()
	cfg.Addr = loopback
	s, err := ServeTFTP(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
