package lane

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pin/tftp/v3"
	"github.com/pxecast/pxecast/protocol"
)

// The programs that people have fetch what our client does, with large blocks and
// with the 512 bytes of those that know no options.
func TestOtherClientsGetTheSame(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	ours := newClient(t)
	manifest, err := ours.TFTPManifest(t.Context(), server.Addr(), s.m.ID(), len(s.m.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	frames := make(map[protocol.SBN][]byte)
	err = ours.TFTPBlocks(t.Context(), server.Addr(), s.m.ID(), 3, 3+MaxRange-1, s.m, func(sbn protocol.SBN, frame []byte) error {
		frames[sbn] = bytes.Clone(frame)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var packed []byte
	for sbn := range protocol.SBN(3 + MaxRange) {
		packed = append(packed, frames[sbn]...)
	}
	port := fmt.Sprint(server.Addr().Port())
	for _, tt := range []struct {
		program string
		args    func(name, file string) []string
	}{
		{"tftp", func(name, file string) []string {
			return []string{"-m", "binary", "127.0.0.1", port, "-c", "get", name, file}
		}},
		{"atftp", func(name, file string) []string {
			return []string{"--option", "blksize 1468", "-g", "-r", name, "-l", file, "127.0.0.1", port}
		}},
		{"atftp", func(name, file string) []string {
			return []string{"--option", "disable blksize", "-g", "-r", name, "-l", file, "127.0.0.1", port}
		}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			if _, err := exec.LookPath(tt.program); err != nil {
				t.Skipf("%s is not installed: make packages installs it", tt.program)
			}
			for n, want := range map[name][]byte{
				{id: s.m.ID(), kind: manifestKind}:                                 manifest,
				{id: s.m.ID(), kind: blocksKind, first: 3, last: 3 + MaxRange - 1}: packed,
			} {
				file := filepath.Join(t.TempDir(), "got")
				out, err := exec.CommandContext(t.Context(), tt.program, tt.args(n.String(), file)...).CombinedOutput()
				got, readErr := os.ReadFile(file)
				if err != nil || readErr != nil || !bytes.Equal(got, want) {
					t.Errorf("%v: %d bytes, want %d; %v, %v: %s", n, len(got), len(want), err, readErr, out)
				}
			}
		})
	}
}

// Whatever a client asks for, it gets what fits the network.
func TestAnySizeOfPacketsBringsTheSame(t *testing.T) {
	s := newMade(t)
	n := name{id: s.m.ID(), kind: blocksKind, first: 3, last: 3 + MaxRange - 1}
	want := s.packed(n.first, n.last)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s), MTU: 1280})
	for _, block := range []int{0, 512, 1000, 65464} {
		c, err := tftp.NewClient(server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetBlockSize(block)
		c.RequestTSize(block > 512)
		in, err := c.Receive(n.String(), "octet")
		if err != nil {
			t.Fatal(err)
		}
		if size, ok := in.(tftp.IncomingTransfer).Size(); ok != (block > 512) || ok && size != int64(len(want)) {
			t.Errorf("a length of %d, %v; want %d", size, ok, len(want))
		}
		var got bytes.Buffer
		if _, err := in.WriteTo(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("with packets of %d: %d bytes, want %d; %v", block, got.Len(), len(want), err)
		}
	}
}
