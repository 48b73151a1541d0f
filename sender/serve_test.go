package sender

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/synthetic"
	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/internal/mcast/simnet"
	"github.com/pxecast/pxecast/internal/trust"
	"github.com/pxecast/pxecast/protocol"
)

func madeImage(t *testing.T) *synthetic.Image {
	t.Helper()
	source, err := synthetic.New(20*protocol.BlockSize, synthetic.Disk, 1)
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// onLoopback is a network of this machine alone.
type onLoopback struct{ mcast.Network }

func (onLoopback) Addr() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

func TestLanesServeTheImage(t *testing.T) {
	source := madeImage(t)
	m := source.Manifest()
	http, tftp, stop, err := Lanes(onLoopback{})(t.Context(), lane.NewPackedStore(source))
	if err != nil {
		t.Fatal(err)
	}
	client := lane.NewClient(netip.Addr{})
	defer client.Close()
	byHTTP, err := client.Manifest(t.Context(), http, m.ID(), len(m.Bytes()))
	if err != nil || !bytes.Equal(byHTTP, m.Bytes()) {
		t.Errorf("the manifest by HTTP: %d bytes, %v", len(byHTTP), err)
	}
	blocks := 0
	decoder := image.NewDecoder()
	err = client.TFTPBlocks(t.Context(), tftp, m.ID(), 0, protocol.SBN(m.Blocks()-1), m, func(s protocol.SBN, frame []byte) error {
		raw, err := decoder.Decode(nil, frame, m.RawLen(s))
		if i, _ := m.Index(s); err == nil && image.Sum(raw) != m.Digest(i) {
			err = errors.New("another digest")
		}
		if blocks++; err != nil {
			t.Errorf("block %d: %v", s, err)
		}
		return nil
	})
	if err != nil || blocks != m.DataBlocks() {
		t.Errorf("%d blocks by TFTP, %v; want %d", blocks, err, m.DataBlocks())
	}
	stop()
	if _, err := client.Manifest(t.Context(), http, m.ID(), len(m.Bytes())); err == nil {
		t.Error("it is served after the end")
	}
}

// announced runs a sender for a second and returns its first announcement.
func announced(t *testing.T, cfg Config) (a *protocol.Announce, err error) {
	net := simnet.New(1, simnet.Options{})
	defer net.Close()
	heard, err := net.Host("pc").Listen(protocol.Discovery, netip.Addr{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Key, err = trust.Generate(); err != nil {
		t.Fatal(err)
	}
	cfg.Network, cfg.Source = net.Host("server"), madeImage(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = Run(ctx, cfg)
	batch := mcast.NewBatch(1)
	if heard.Read(batch, time.Now().Add(time.Second)) == nil {
		for d := range batch.Datagrams() {
			if parsed, _, err := protocol.ParseAnnounce(d); err == nil && a == nil {
				a = &parsed
			}
		}
	}
	return a, err
}

func TestAnnouncementsTellWhereTheLanesAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		http, tftp := netip.MustParseAddrPort("192.0.2.1:80"), netip.MustParseAddrPort("192.0.2.1:69")
		stopped := false
		a, _ := announced(t, Config{Serve: func(_ context.Context, s lane.PackedStore) (netip.AddrPort, netip.AddrPort, func(), error) {
			if s.Manifest() == nil {
				t.Error("a store without an image")
			}
			return http, tftp, func() { stopped = true }, nil
		}})
		if a == nil || a.HTTP != http || a.TFTP != tftp {
			t.Errorf("announced %+v, want HTTP at %v and TFTP at %v", a, http, tftp)
		}
		if !stopped {
			t.Error("the lanes outlive the session")
		}
	})
}

func TestSessionsWithoutLanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if a, _ := announced(t, Config{}); a == nil || a.HTTP.IsValid() || a.TFTP.IsValid() {
			t.Errorf("announced %+v, want no lanes", a)
		}
		broken := errors.New("no ports left")
		a, err := announced(t, Config{Serve: func(context.Context, lane.PackedStore) (netip.AddrPort, netip.AddrPort, func(), error) {
			return netip.AddrPort{}, netip.AddrPort{}, nil, broken
		}})
		if !errors.Is(err, broken) || a != nil {
			t.Errorf("lanes that cannot start: %v, announced %+v", err, a)
		}
	})
}
