package serve

import (
	"cmp"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/pxecast/pxecast/internal/boot"
	"github.com/pxecast/pxecast/internal/mcast"
	"github.com/pxecast/pxecast/sender"
)

// leases is where the addresses that were given out are kept, beside the boot folder:
// that is not a service's to write.
const leases = "leases"

// boot is what package boot is to do on a network, but for what only a running
// server can answer.
func (s *Settings) boot(network mcast.Network) (boot.Config, error) {
	first, last, err := s.Range()
	if err != nil {
		return boot.Config{}, err
	}
	cfg := boot.Config{Interface: network.Name(), Addr: network.Addr(), Tree: s.Tree(), HTTPPort: uint16(s.HTTPPort)}
	switch {
	case s.DHCP == "off":
		cfg.DHCP.Mode = boot.Off
	case first.IsValid():
		cfg.DHCP = boot.DHCP{Mode: boot.Full, First: first, Last: last, Leases: filepath.Join(filepath.Dir(filepath.Clean(s.Boot)), leases)}
	}
	return cfg, nil
}

// Tree is the folder that machines boot from.
func (s *Settings) Tree() string { return filepath.Join(s.Boot, "tree") }

func (s *server) api() *api {
	name, err := os.Hostname()
	if err != nil {
		name = s.cfg.Network.Addr().String()
	}
	return &api{
		name: name, key: s.cfg.Key, settings: &s.cfg.Settings, images: s.library.Images, script: s.library.Script,
		want: s.sessions.want, told: s.told,
	}
}

// bootMenu is the boot loader's menu of a machine. One that was imaged since the
// server began starts from its disk, or it would be imaged again for ever where the
// network comes first in its boot order.
func (s *server) bootMenu(m boot.Machine) boot.Menu {
	menu := boot.Menu{Default: boot.Entry(s.cfg.Settings.BootDefault), Timeout: s.cfg.Settings.BootTimeout.Duration, Serial: max(0, s.cfg.Settings.Serial)}
	if s.room.installed(m.MAC) {
		menu.Default = boot.Local
	}
	return menu
}

// booted takes what package boot sees of machines.
func (s *server) booted(e boot.Event) {
	text, now := "", time.Now()
	told := func() bool { return s.booting.takes(now, cmp.Or(e.Machine.MAC, e.Addr.String())) }
	switch e.Kind {
	case boot.Asked:
		text = e.What + " asks what to boot"
	case boot.Loading:
		text = "loading " + e.What
	case boot.Failed:
		text = "could not load " + e.What + ": " + e.Text
	case boot.Ignored:
		if told() {
			s.notice(sender.Notice{Kind: "boot", Text: titleOf(e.Machine.MAC, e.Addr) + " is not booted: " + e.Text})
		}
		return
	default:
		return
	}
	if m, news := s.room.boots(now, e.Machine.MAC, e.Addr, text); news && told() {
		s.news(News{Machine: &MachineNews{MachineStatus: m}})
		s.changed()
	}
}

func titleOf(mac string, a netip.Addr) string {
	m := MachineStatus{Address: a}
	m.MAC = mac
	return m.Title()
}
