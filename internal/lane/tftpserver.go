package lane

import (
	"context"
	"net/netip"

	"github.com/pxecast/pxecast/internal/gate"
)

// TFTPConfig is what ServeTFTP needs. Store and Addr must be set.
type TFTPConfig struct {
	Store     PackedStore
	Addr      netip.Addr   // this machine's own on the session's network
	Allowed   netip.Prefix // who may ask, beside this machine itself by loopback: the session's subnet
	Port      uint16       // 0 any
	MTU       int          // of that network; default 1500
	Transfers int          // at a time; default 256. A quarter of them is for newcomers
	PerClient int          // transfers of one address at a time; default 16
}

// A TFTPServer serves a PackedStore over TFTP. Names of blocks' ranges and of the
// manifest are served, for reading only.
type TFTPServer struct {
	served
	*gate.TFTP
	store PackedStore
}

// ServeTFTP starts a server. It ends with ctx or by Close, whichever comes first.
func ServeTFTP(ctx context.Context, cfg TFTPConfig) (*TFTPServer, error) {
	s := &TFTPServer{store: cfg.Store}
	var err error
	s.TFTP, err = gate.ServeTFTP(ctx, gate.TFTPConfig{
		Addr: netip.AddrPortFrom(cfg.Addr, cfg.Port), Allowed: cfg.Allowed, MTU: cfg.MTU,
		Transfers: cfg.Transfers, PerClient: cfg.PerClient,
		Check: checkTFTPName, Open: s.open,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkTFTPName takes the names that there are over TFTP.
func checkTFTPName(s string) error {
	n, named := parseName(s)
	if !named || n.kind != manifestKind && n.kind != blocksKind {
		return gate.ErrName
	}
	return nil
}

func (s *TFTPServer) open(_ netip.Addr, asked string) (gate.Content, error) {
	n, _ := parseName(asked)
	c, err := open(s.store, n, nil)
	if err != nil {
		return nil, err
	}
	return &outgoing{content: c, served: &s.served}, nil
}

// outgoing is content whose sending is counted.
type outgoing struct {
	content
	served *served
}

// Read implements io.Reader.
func (o *outgoing) Read(p []byte) (int, error) {
	n, err := o.content.Read(p)
	o.served.add(n, 0)
	return n, err
}

// Done implements gate.Content.
func (o *outgoing) Done(_ bool, err error) {
	if err == nil {
		o.served.add(0, o.blocks)
	}
}
