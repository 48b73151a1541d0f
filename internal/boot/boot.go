// Package boot brings PCs from power-on to the ramdisk: DHCP tells them what to
// load, TFTP and HTTP give it to them, and the boot loaders' menus let people choose.
package boot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
	"github.com/pxecast/pxecast/internal/boot/tree"
	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/gate"
	"golang.org/x/sync/errgroup"
)

// Config is what Run needs. Interface, Addr and Tree must be set.
type Config struct {
	Interface string     // name of the network interface; nothing is answered on others
	Addr      netip.Addr // of this machine there, IPv4
	Tree      string     // folder of boot loaders, kernel and ramdisk
	DHCP      DHCP
	HTTPPort  uint16 // default catalog.Port
	PlainIPXE bool   // give machines that run iPXE the boot loader for others, not a script

	// Menu returns the boot loader's menu of a machine. It is called from many
	// goroutines at a time. Default: the zero Menu for all.
	Menu func(Machine) Menu
	// Handler answers what comes over HTTP below /v1/. Default: nothing is there.
	Handler http.Handler
	// Events is called when something happens, from many goroutines at a time, and
	// must not wait. Default: nobody is told.
	Events func(Event)
	Ready  func()       // is called when all ports are open. Default: nobody is told
	Log    *slog.Logger // of the server's own troubles; default none
}

// DHCP is how much of DHCP is done.
type DHCP struct {
	Mode   Mode
	First  netip.Addr // Full: addresses to give out, both included
	Last   netip.Addr
	Router netip.Addr   // Full: default none: nothing here needs to leave the network
	DNS    []netip.Addr // Full: default none
	Domain string       // Full: default none
	Leases string       // Full: file that the leases are kept in; default none
}

// Mode is what Run does about DHCP.
type Mode uint8

const (
	Proxy Mode = iota // boot files beside the network's own DHCP server
	Full              // addresses too
	Off               // nothing: the network's DHCP server names this one
)

// Machine is a machine as it is known before it runs anything of ours.
type Machine struct {
	MAC  string // "52:54:00:12:34:56"; "" not known
	UUID string // of its firmware, lower case; "" not known
}

// server is what runs.
type server struct {
	cfg    Config
	http   netip.AddrPort
	subnet netip.Prefix
	tree   tree.Tree
	known  machines
}

// validate fills in defaults and returns what is wrong, in words for people.
func (c *Config) validate() error {
	if c.Interface == "" || !c.Addr.Is4() || c.Tree == "" {
		return errors.New("the boot server needs an interface, its IPv4 address and the folder to boot from")
	}
	if c.HTTPPort == 0 {
		c.HTTPPort = catalog.Port
	}
	if c.Menu == nil {
		c.Menu = func(Machine) Menu { return Menu{} }
	}
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	if c.Ready == nil {
		c.Ready = func() {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	m := c.Menu(Machine{})
	return m.validate()
}

// files are the boot files that machines are told of.
func (s *server) files() dhcp.Files {
	url := "http://" + s.http.String() + "/"
	f := dhcp.Files{BIOS: biosName, UEFI: uefiName, HTTP: url + uefiName, IPXE: url + ipxeName}
	if s.cfg.PlainIPXE {
		f.IPXE = ""
	}
	return f
}

// Run serves until ctx ends, which is no error. It returns at once, with an error that
// says what to do, if it can't begin: an address or a port can't be had.
func Run(ctx context.Context, cfg Config) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	i, subnet, err := network(cfg.Interface, cfg.Addr)
	if err != nil {
		return err
	}
	s := &server{cfg: cfg, http: netip.AddrPortFrom(cfg.Addr, cfg.HTTPPort), subnet: subnet, tree: tree.Tree(cfg.Tree)}
	g, ctx := errgroup.WithContext(ctx)
	listener, err := s.listenHTTP()
	if err != nil {
		return err
	}
	defer listener.Close()
	if _, err := s.startTFTP(ctx, tftpPort, i.MTU); err != nil {
		return err
	}
	if cfg.DHCP.Mode != Off {
		d, err := s.listenDHCP()
		if err != nil {
			return err
		}
		g.Go(func() error { return d.Run(ctx) })
	}
	g.Go(func() error { return s.serveHTTP(ctx, listener) })
	cfg.Ready()
	return g.Wait()
}

// network returns an interface, and the subnet that an address of it is in.
func network(name string, a netip.Addr) (*net.Interface, netip.Prefix, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, netip.Prefix{}, fmt.Errorf("there is no interface %s: `ip -br link` lists them", name)
	}
	all, err := i.Addrs()
	if err != nil {
		return nil, netip.Prefix{}, fmt.Errorf("list the addresses of %s: %w", name, err)
	}
	for _, each := range all {
		if p, err := netip.ParsePrefix(each.String()); err == nil && p.Addr().Unmap() == a {
			return i, p.Masked(), nil
		}
	}
	return nil, netip.Prefix{}, fmt.Errorf("%s does not have the address %v: `ip -br addr show %s` lists those that it has", name, a, name)
}

// setup is what DHCP needs.
func (s *server) setup() dhcp.Setup {
	c := s.cfg.DHCP
	setup := dhcp.Setup{
		Config: dhcp.Config{
			Server: s.cfg.Addr, Subnet: s.subnet, Files: s.files(),
			First: c.First, Last: c.Last, Router: c.Router, DNS: c.DNS, Domain: c.Domain,
		},
		Interface: s.cfg.Interface, Leases: c.Leases, Note: s.noteDHCP,
	}
	if c.Mode == Full {
		setup.Mode = dhcp.Full
		setup.Never = addresses(s.cfg.Interface)
	}
	return setup
}

// addresses are those that this machine has on an interface: nobody but itself could
// tell that they are taken.
func addresses(name string) (all []netip.Addr) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	have, _ := i.Addrs()
	for _, each := range have {
		if p, err := netip.ParsePrefix(each.String()); err == nil {
			all = append(all, p.Addr().Unmap())
		}
	}
	return all
}

// listenDHCP opens DHCP's ports.
func (s *server) listenDHCP() (*dhcp.Listener, error) {
	l, err := dhcp.Listen(s.setup())
	port, ok := errors.AsType[*dhcp.PortTaken](err)
	switch {
	case ok && l != nil && port.Port == dhcp.ClientPort:
		s.cfg.Log.Warn("another process has UDP port 68: machines only boot if the network's DHCP server names this one as next server", "process", owner("UDP", port.Port))
		return l, nil
	case ok && l != nil:
		s.cfg.Log.Warn("another process has UDP port 67: only machines that it sends here will boot", "process", owner("UDP", port.Port), "what to do", sharePort)
		return l, nil
	case ok:
		return nil, fmt.Errorf("serve DHCP: %w", takenError(err, "UDP", port.Port))
	case err != nil:
		if l != nil {
			l.Close()
		}
		return nil, fmt.Errorf("serve DHCP on %s: %w", s.cfg.Interface, err)
	}
	return l, nil
}

// startTFTP starts TFTP, which ends with ctx.
func (s *server) startTFTP(ctx context.Context, port uint16, mtu int) (*gate.TFTP, error) {
	t, err := gate.ServeTFTP(ctx, gate.TFTPConfig{
		Addr: netip.AddrPortFrom(s.cfg.Addr, port), Allowed: s.subnet, MTU: mtu,
		Waits: patient, Transfers: transfers, PerClient: transfersEach,
		Check: checkTFTP, Open: s.openTFTP,
	})
	if err != nil {
		return nil, portError(err, "UDP", port)
	}
	return t, nil
}
