package sender

import (
	"context"
	"net/netip"

	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
)

// ServeFunc starts the services that fetch blocks from a sender by unicast, and
// returns where they are; the zero address for none.
type ServeFunc func(context.Context, lane.PackedStore) (http, tftp netip.AddrPort, stop func(), err error)

// Lanes returns what serves the image over HTTP, to the subnet of network's
// address, and over TFTP, to anyone, on free ports of that address.
func Lanes(network mcast.Network) ServeFunc {
	return func(ctx context.Context, store lane.PackedStore) (http, tftp netip.AddrPort, stop func(), err error) {
		subnet, err := lane.Subnet(network.Addr())
		if err != nil {
			return http, tftp, nil, err
		}
		h, err := lane.Serve(ctx, lane.ServerConfig{Store: store, Addr: network.Addr(), Allowed: subnet})
		if err != nil {
			return http, tftp, nil, err
		}
		t, err := lane.ServeTFTP(ctx, lane.TFTPConfig{Store: store, Addr: network.Addr()})
		if err != nil {
			h.Close()
			return http, tftp, nil, err
		}
		return h.Addr(), t.Addr(), func() { h.Close(); t.Close() }, nil
	}
}

// serve starts the services that Config asks for. A measurement has no image
// that anybody could want.
func (s *session) serve(ctx context.Context) (stop func(), err error) {
	if s.cfg.Serve == nil || s.cfg.Bench {
		return func() {}, nil
	}
	s.http, s.tftp, stop, err = s.cfg.Serve(ctx, lane.NewPackedStore(s.cfg.Source))
	return stop, err
}
