package lane

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/gate"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/imagetest"
	"github.com/pxecast/pxecast/protocol"
)

// request returns a read or write request (RFC 1350 §5).
func request(opcode byte, filename string, rest ...string) []byte {
	b := append([]byte{0, opcode}, filename...)
	for _, s := range append([]string{"octet"}, rest...) {
		b = append(append(b, 0), s...)
	}
	return append(b, 0)
}

const (
	opRead  = 1
	opWrite = 2
	opData  = 3
	opError = 5
)

// udp returns a socket on loopback that waits for 20 s at most.
func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	return udpOf(t, 1)
}

// udpOf is udp with another address of 127.0.0.0/24.
func udpOf(t *testing.T, host byte) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, host)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// first sends a packet and returns the first answer.
func first(t *testing.T, at netip.AddrPort, packet []byte) []byte {
	t.Helper()
	c := udp(t)
	c.WriteToUDPAddrPort(packet, at)
	b := make([]byte, 2000)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatalf("no answer to %.60q: %v", packet, err)
	}
	if b[1] != opError { // let it forget us
		c.WriteToUDPAddrPort([]byte{0, opError, 0, 0, 0}, from)
	}
	return b[:n]
}

func TestTFTPGivesNothingElse(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	id := s.m.ID().String()
	odd := append(oddNames(id), "images/"+id+"/have", "images/"+id+"/block/7", "images/"+id+"/blocks/0-63\nx",
		"images/"+strings.Repeat("0", 64)+"/manifest", "images/"+id+"/blocks/100-163")
	for _, name := range odd {
		if len(name) > 400 || strings.ContainsRune(name, 0) {
			continue // does not fit a request
		}
		if b := first(t, server.Addr(), request(opRead, name)); b[1] != opError {
			t.Errorf("%q: %.60q", name, b)
		}
	}
	if n := s.readings(); n != 0 {
		t.Errorf("the image was read %d times", n)
	}
	if b := first(t, server.Addr(), request(opRead, "images/"+id+"/manifest")); b[1] != opData {
		t.Errorf("the manifest: %.60q", b)
	}
}

func TestTFTPIsReadOnly(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	for _, name := range []string{"images/" + s.m.ID().String() + "/manifest", "new", "../new", "/tmp/new"} {
		if b := first(t, server.Addr(), request(opWrite, name)); b[1] != opError {
			t.Errorf("writing %q: %.60q", name, b)
		}
	}
}

// What is no request is not answered, and does not end the server.
func TestTFTPOutlivesGarbage(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	c := udp(t)
	for _, p := range []string{"", "\x00", "\x00\x01", "\x00\x01\x00", "\x00\x01\x00\x00", "\x00\x03\x00\x01abc", "\x00\x04\x00\x01", "\x00\x05\x00\x01x",
		"\x00\x06blksize\x00", "\xff\xff\xff\xff", "\x00\x01" + strings.Repeat("\x00", 600), strings.Repeat("x", 1400)} {
		c.WriteToUDPAddrPort([]byte(p), server.Addr())
	}
	name := "images/" + s.m.ID().String() + "/manifest"
	for _, options := range [][]string{
		{"blksize", "7"}, {"blksize", "-1"}, {"blksize", "99999999999999999999"}, {"blksize", strings.Repeat("0", 300) + "512"}, {"blksize", ""},
		{"tsize", "x"}, {"tsize", strings.Repeat("0", 300)}, {"tsize", "9", "blksize", "65464"}, {"windowsize", "64"}, {"blksize"}, {"", ""}, {"timeout", "0"},
	} {
		first(t, server.Addr(), request(opRead, name, options...))
	}
	if b := first(t, server.Addr(), request(opRead, name)); b[1] != opData {
		t.Errorf("the manifest: %.60q", b)
	}
}

func TestTFTPBoundsTransfers(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s), Transfers: 4, PerClient: 2})
	for i, tt := range []struct {
		host byte
		ok   bool
	}{{1, true}, {1, true}, {1, false}, {2, true}, {2, false}} {
		if got := begun(t, server.Addr(), tt.host, s); got != tt.ok {
			t.Errorf("transfer %d, of 127.0.0.%d: begun %v, want %v", i, tt.host, got, tt.ok)
		}
	}
	eventually(t, "transfers whose clients fall silent are forgotten", func() bool {
		return server.Newcomers()+server.Proven() == 0
	})
	if !begun(t, server.Addr(), 2, s) {
		t.Error("there is no room for another")
	}
}

// begun begins a transfer, as far as the packet after the first one's ACK, and falls
// silent.
func begun(t *testing.T, at netip.AddrPort, host byte, s *made) bool {
	t.Helper()
	c := udpOf(t, host)
	c.WriteToUDPAddrPort(request(opRead, name{id: s.m.ID(), kind: blocksKind, first: 0, last: 63}.String(), "blksize", "1000"), at)
	b := make([]byte, 2000)
	n, from, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		t.Fatal(err)
	}
	for number := byte(0); b[1] != opError && number < 2; number++ {
		c.WriteToUDPAddrPort([]byte{0, 4, 0, number}, from)
		for b[3] != number+1 || b[1] != opData { // not a repetition
			if n, err = c.Read(b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n == 1004 && b[1] == opData
}

func TestTFTPClientGetsAll(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	c := newClient(t)
	ctx, id := t.Context(), s.m.ID()
	b, err := c.TFTPManifest(ctx, server.Addr(), id, len(s.m.Bytes()))
	if err != nil || !bytes.Equal(b, s.m.Bytes()) {
		t.Errorf("manifest of %d bytes, %v", len(b), err)
	}
	last := protocol.SBN(s.m.Blocks() - 1)
	for _, r := range []piece{{0, last}, {0, 0}, {2, 3}, {7, 7}, {last, last}, {3, 40}} {
		got := make(map[protocol.SBN][]byte)
		err := c.TFTPBlocks(ctx, server.Addr(), id, r.first, r.last, s.m, func(sbn protocol.SBN, frame []byte) error {
			if got[sbn] != nil {
				t.Errorf("block %d comes twice", sbn)
			}
			got[sbn] = bytes.Clone(frame)
			return nil
		})
		if err != nil {
			t.Fatalf("blocks %d to %d: %v", r.first, r.last, err)
		}
		s.wantFrames(t, got, r.first, r.last)
	}
	if bytes, blocks, _ := server.Served(); blocks < int64(s.m.DataBlocks()) || bytes < int64(len(s.packed(0, last))) {
		t.Errorf("served %d bytes, %d blocks", bytes, blocks)
	}
	err = c.TFTPBlocks(ctx, server.Addr(), id, 5, last+1, s.m, nil)
	if err == nil {
		t.Error("no error for blocks past the end")
	}
}

// wantFrames wants the frames of the data blocks among first..last.
func (s *made) wantFrames(t *testing.T, got map[protocol.SBN][]byte, first, last protocol.SBN) {
	t.Helper()
	n := 0
	for sbn := first; sbn <= last; sbn++ {
		if i, data := s.m.Index(sbn); data {
			n++
			if !bytes.Equal(got[sbn], s.frame(i)) {
				t.Errorf("block %d: %d bytes, want %d", sbn, len(got[sbn]), s.m.FrameLen(i))
			}
		}
	}
	if len(got) != n {
		t.Errorf("%d blocks, want %d", len(got), n)
	}
}

func TestTFTPRangesGoOnWhereTheyFailed(t *testing.T) {
	s := newMade(t)
	failing := &failingStore{PackedStore: NewPackedStore(s)}
	server := serveTFTP(t, TFTPConfig{Store: failing})
	got := make(map[protocol.SBN][]byte)
	last := protocol.SBN(s.m.Blocks() - 1)
	err := newClient(t).TFTPBlocks(t.Context(), server.Addr(), s.m.ID(), 0, last, s.m, func(sbn protocol.SBN, frame []byte) error {
		if got[sbn] != nil {
			t.Errorf("block %d comes twice", sbn)
		}
		got[sbn] = bytes.Clone(frame)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.wantFrames(t, got, 0, last)
	failing.mu.Lock()
	defer failing.mu.Unlock()
	if failing.failed == 0 {
		t.Error("nothing failed")
	}
}

// A row whose last data packet is a full one ends with an empty one. All is there
// without it.
func TestTFTPEndThatDoesNotComeIsNotMissed(t *testing.T) {
	m := imagetest.Manifest(t, 3*512)
	server := udp(t)
	go func() {
		b := make([]byte, 2000)
		for n := uint16(1); n <= 3; n++ {
			_, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			server.WriteToUDPAddrPort(data(n, 512), from)
		}
	}()
	blocks := 0
	err := newClient(t).TFTPBlocks(t.Context(), server.LocalAddr().(*net.UDPAddr).AddrPort(), m.ID(), 0, 0, m,
		func(protocol.SBN, []byte) error { blocks++; return nil })
	if err != nil || blocks != 1 {
		t.Errorf("%d blocks, %v", blocks, err)
	}
}

// failingStore fails at every data block once, in the middle of its frame.
type failingStore struct {
	PackedStore
	mu     sync.Mutex
	tried  map[int]bool
	failed int
}

func (f *failingStore) PackedFrame(i, off int, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tried == nil {
		f.tried = make(map[int]bool)
	}
	if off > 0 && i%5 == 0 && !f.tried[i] {
		f.tried[i] = true
		f.failed++
		return errors.New("not now")
	}
	return f.PackedStore.PackedFrame(i, off, p)
}

func TestTFTPStopsWithItsCaller(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	c := newClient(t)
	full := errors.New("disk full")
	last := protocol.SBN(s.m.Blocks() - 1)
	calls := 0
	err := c.TFTPBlocks(t.Context(), server.Addr(), s.m.ID(), 0, last, s.m, func(protocol.SBN, []byte) error { calls++; return full })
	if err != full || calls != 1 {
		t.Errorf("%v after %d calls, want %v after one", err, calls, full)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	err = c.TFTPBlocks(ctx, server.Addr(), s.m.ID(), 0, last, s.m, func(protocol.SBN, []byte) error { cancel(cause); return nil })
	if err != cause {
		t.Errorf("%v, want %v", err, cause)
	}
	silent := udp(t)
	ctx, cancel = context.WithCancelCause(t.Context())
	c.silence = time.Hour
	go func() { silent.Read(make([]byte, 600)); cancel(cause) }()
	if _, err := c.TFTPManifest(ctx, silent.LocalAddr().(*net.UDPAddr).AddrPort(), image.ID{}, 7); err != cause {
		t.Errorf("%v, want %v", err, cause)
	}
}

func data(block uint16, bytes int) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, opData}, block), make([]byte, bytes)...)
}

func TestBadTFTPServersAreNamedWithWhatTheyDid(t *testing.T) {
	said := func(code byte, text string) []byte { return append(append([]byte{0, opError, 0, code}, text...), 0) }
	for _, tt := range []struct {
		what    string
		answers func(request int, packet []byte) []byte // nil: none
		did     Did
	}{
		{"silent", func(int, []byte) []byte { return nil }, Hung},
		{"hangs after a block", func(n int, _ []byte) []byte { return map[int][]byte{1: data(1, 512)}[n] }, Hung},
		{"repeats itself", func(int, []byte) []byte { return data(1, 512) }, Hung},
		{"agrees for ever", func(int, []byte) []byte { return []byte("\x00\x06blksize\x001468\x00") }, Hung},
		{"sends too much", func(n int, _ []byte) []byte { return data(uint16(n), 512) }, TooLong},
		{"ends too soon", func(n int, _ []byte) []byte { return data(uint16(n), 100) }, Garbled},
		{"speaks no TFTP", func(int, []byte) []byte { return []byte("\x1b[2J what?") }, Garbled},
		{"sends scraps", func(int, []byte) []byte { return []byte{0} }, Garbled},
		{"has no such file", func(int, []byte) []byte { return said(1, "File not found") }, Lacks},
		{"forbids", func(int, []byte) []byte { return said(2, "Access \x1b[31mviolation") }, Refused},
		{"is busy", func(int, []byte) []byte { return said(1, gate.ErrBusy.Error()) }, Busy},
	} {
		t.Run(tt.what, func(t *testing.T) {
			t.Parallel()
			server := udp(t)
			go func() {
				b := make([]byte, 2000)
				requests := make(map[netip.AddrPort]int)
				for {
					size, from, err := server.ReadFromUDPAddrPort(b)
					if err != nil {
						return
					}
					requests[from]++
					if a := tt.answers(requests[from], b[:size]); a != nil {
						server.WriteToUDPAddrPort(a, from)
					}
				}
			}()
			at := server.LocalAddr().(*net.UDPAddr).AddrPort()
			b, err := clientFor(t, tt.did).TFTPManifest(t.Context(), at, image.ID{}, 3000)
			if err == nil {
				t.Fatalf("no error, but %d bytes", len(b))
			}
			wantFault(t, err, at, tt.did)
			if protocol.Text(err.Error(), 1000) != err.Error() {
				t.Errorf("%q goes to the terminal as it came", err)
			}
		})
	}
}

func TestClosedTFTPServerIsGone(t *testing.T) {
	s := newMade(t)
	server := serveTFTP(t, TFTPConfig{Store: NewPackedStore(s)})
	server.Close()
	again, err := ServeTFTP(t.Context(), TFTPConfig{Store: NewPackedStore(s), Addr: loopback, Port: server.Addr().Port()})
	if err != nil {
		t.Fatalf("its port is not free: %v", err)
	}
	again.Close()
	reads := s.readings()
	_, err = impatient(t).TFTPManifest(t.Context(), server.Addr(), s.m.ID(), len(s.m.Bytes()))
	wantFault(t, err, server.Addr(), Hung)
	if s.readings() != reads {
		t.Error("the store is still asked")
	}
}
