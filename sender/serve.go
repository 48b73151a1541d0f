package sender

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/pxecast/pxecast/internal/lane"
	"github.com/pxecast/pxecast/internal/mcast"
)

// ServeFunc starts the services that fetch blocks from a sender by unicast, and
// returns where they are; the zero address for none, with err for why one could not
// start. The session goes on without it.
type ServeFunc func(context.Context, lane.PackedStore) (http, tftp netip.AddrPort, stop func(), err error)

// Lanes returns what serves the image over HTTP and TFTP to the subnet of network's
// address, on free ports of that address.
func Lanes(network mcast.Network) ServeFunc {
	return func(ctx context.Context, store lane.PackedStore) (http, tftp netip.AddrPort, stop func(), err error) {
		addr, stop := network.Addr(), func() {}
		subnet, err := lane.Subnet(addr)
		if err != nil {
			return http, tftp, stop, err
		}
		h, failed := lane.Serve(ctx, lane.ServerConfig{Store: store, Addr: addr, Allowed: subnet})
		if failed == nil {
			http, stop = h.Addr(), h.Close
		}
		t, err := lane.ServeTFTP(ctx, lane.TFTPConfig{Store: store, Addr: addr, Allowed: subnet, MTU: network.MTU()})
		if err == nil {
			also := stop
			tftp, stop = t.Addr(), func() { also(); t.Close() }
		}
		return http, tftp, stop, errors.Join(failed, err)
	}
}

// serve starts the services that Config asks for. A measurement has no image
// that anybody could want. Without them multicast goes on, and people are told.
func (s *session) serve(ctx context.Context) (stop func()) {
	if s.cfg.Serve == nil || s.cfg.Bench {
		return func() {}
	}
	var err error
	s.http, s.tftp, stop, err = s.cfg.Serve(ctx, lane.NewPackedStore(s.cfg.Source))
	if err != nil {
		by := "HTTP and TFTP"
		switch {
		case s.http.IsValid():
			by = "TFTP"
		case s.tftp.IsValid():
			by = "HTTP"
		}
		s.notices = append(s.notices, Notice{"serve", fmt.Sprintf("machines that multicast does not reach can't fetch from this one by %s: %s",
			by, strings.ReplaceAll(err.Error(), "\n", "; "))})
	}
	if stop == nil {
		stop = func() {}
	}
	return stop
}
