package lane

import (
	"testing"

	"github.com/pxecast/pxecast/internal/image/synthetic"
	"github.com/pxecast/pxecast/protocol"
)

// How fast the lanes are on this machine's loopback, both sides on it.
func BenchmarkLanes(b *testing.B) {
	const blocks = 256
	source, err := synthetic.New(blocks*protocol.BlockSize, synthetic.Noise, 1)
	if err != nil {
		b.Fatal(err)
	}
	m := source.Manifest()
	server, err := Serve(b.Context(), ServerConfig{Store: NewPackedStore(source), Addr: loopback})
	if err != nil {
		b.Fatal(err)
	}
	defer server.Close()
	tftp, err := ServeTFTP(b.Context(), TFTPConfig{Store: NewPackedStore(source), Addr: loopback})
	if err != nil {
		b.Fatal(err)
	}
	defer tftp.Close()
	client := NewClient(loopback)
	defer client.Close()
	b.Run("HTTP", func(b *testing.B) {
		b.SetBytes(protocol.BlockSize)
		buf := make([]byte, protocol.MaxFrame)
		for i := 0; b.Loop(); i++ {
			if _, err := client.Block(b.Context(), server.Addr(), m.ID(), protocol.SBN(i%blocks), buf); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("TFTP", func(b *testing.B) {
		b.SetBytes(64 * protocol.BlockSize)
		for b.Loop() {
			err := client.TFTPBlocks(b.Context(), tftp.Addr(), m.ID(), 0, 63, m, func(protocol.SBN, []byte) error { return nil })
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
