package sender

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"slices"
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
func (onLoopback) MTU() int         { return 1500 }

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
		a, _ := announced(t, Config{})
		if a == nil || a.HTTP.IsValid() || a.TFTP.IsValid() {
			t.Errorf("announced %+v, want no lanes", a)
		}
	})
}

// A lane that cannot start takes nothing but itself away, and people are told.
func TestLanesThatCannotStart(t *testing.T) {
	at := netip.MustParseAddrPort("192.0.2.1:80")
	for _, tt := range []struct {
		http, tftp netip.AddrPort
		by         string
	}{{by: "HTTP and TFTP"}, {http: at, by: "TFTP"}, {tftp: at, by: "HTTP"}} {
		synctest.Test(t, func(t *testing.T) {
			var last Status
			broken := errors.Join(errors.New("no ports left"), errors.New("none at all"))
			a, err := announced(t, Config{
				Serve: func(context.Context, lane.PackedStore) (netip.AddrPort, netip.AddrPort, func(), error) {
					return tt.http, tt.tftp, nil, broken
				},
				Status: func(st Status) { last = st },
			})
			if !errors.Is(err, context.DeadlineExceeded) || a == nil || a.HTTP != tt.http || a.TFTP != tt.tftp {
				t.Errorf("the session ends with %v, announced %+v", err, a)
			}
			want := []Notice{{"serve", "machines that multicast does not reach can't fetch from this one by " + tt.by + ": no ports left; none at all"}}
			if !slices.Equal(last.Notices, want) {
				t.Errorf("notices %q, want %q", last.Notices, want)
			}
		})
	}
}

// nowhere is a network that this machine is not on any more.
type nowhere struct{ mcast.Network }

func (nowhere) Addr() netip.Addr { return netip.MustParseAddr("203.0.113.1") }

func TestLanesOnNoNetwork(t *testing.T) {
	http, tftp, stop, err := Lanes(nowhere{})(t.Context(), lane.NewPackedStore(madeImage(t)))
	if err == nil || http.IsValid() || tftp.IsValid() {
		t.Errorf("HTTP at %v, TFTP at %v, %v", http, tftp, err)
	}
	stop()
}
