package serve

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/ramdisk"
	"github.com/pxecast/pxecast/ramdisk/menu"
)

// SettingsFile is where a server's owner writes them down.
const SettingsFile = "/etc/pxecast/pxecast.toml"

// What a server does unless its owner says otherwise.
const (
	DefaultImages = "/srv/pxecast"
	DefaultBoot   = "/var/lib/pxecast/boot"
	// DefaultGather is what people who switch on thirty machines need from one to
	// the next.
	DefaultGather = 10 * time.Second
	// DefaultTimeout is enough to read a menu of three lines.
	DefaultTimeout = 10 * time.Second
)

// Settings are what a server's owner can choose. The names in TOML are those of
// the command line's flags; what is not given is filled in by Fill.
type Settings struct {
	Images      string   `toml:"images"`       // folder of images; default /srv/pxecast
	Boot        string   `toml:"boot"`         // folder with ramdisk and boot loaders; default /var/lib/pxecast/boot
	Interface   string   `toml:"interface"`    // of the network; default the only one that is connected
	DHCP        string   `toml:"dhcp"`         // "proxy" (default), "off", or a range of addresses to give out, "10.0.0.100-10.0.0.200"
	HTTPPort    int      `toml:"http-port"`    // default catalog.Port
	Gather      Duration `toml:"gather"`       // to wait for more machines after the last that came; default 10 s
	Rate        string   `toml:"rate"`         // bits a second, as of `send --rate`; default auto
	Querier     string   `toml:"querier"`      // auto, on or off; default auto
	BootDefault string   `toml:"boot-default"` // what a machine does that nobody sits at: "local" (default) or "image"
	BootTimeout Duration `toml:"boot-timeout"` // after so long; default 10 s
	Serial      int      `toml:"serial-speed"` // baud of the machines' first serial port, for menu and kernel too; default 115200, -1 none
	After       string   `toml:"after"`        // reboot, poweroff, shell or menu, when a disk is done; default: asked, then reboot
	Machines    []Rule   `toml:"machine"`      // the first that matches counts
}

// Duration is a time.Duration that is written as text: "10s".
type Duration struct {
	time.Duration
	Set bool // also a time of 0 s is one
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) (err error) {
	if d.Duration, err = time.ParseDuration(string(b)); err != nil || d.Duration < 0 {
		return fmt.Errorf("%q is no time: write it with its unit, such as 30s or 10m", b)
	}
	d.Set = true
	return nil
}

// Or returns the time, or another where none was given.
func (d Duration) Or(other time.Duration) time.Duration {
	if d.Set {
		return d.Duration
	}
	return other
}

// Rule says what some machines do without being asked.
type Rule struct {
	// Match is a MAC address, a UUID, a serial number or a host name, or a pattern
	// of path.Match for one of these: "52:54:00:*", "pc-1?". Case does not matter.
	Match      string        `toml:"match"`
	Image      string        `toml:"image"`      // name, or the beginning of the ID
	Disk       string        `toml:"disk"`       // see menu.ParsePolicy
	Unattended bool          `toml:"unattended"` // nobody is asked
	After      catalog.After `toml:"after"`
	Verify     bool          `toml:"verify"`
}

// ReadSettings reads a file of settings. One that is not there is fs.ErrNotExist;
// any other error says in one line what is wrong and where.
func ReadSettings(file string) (Settings, error) {
	var s Settings
	text, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	meta, err := toml.Decode(string(text), &s)
	if parse, ok := errors.AsType[toml.ParseError](err); ok {
		return s, fmt.Errorf("%s, line %d: %s", file, parse.Position.Line, parse.Message)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return s, fmt.Errorf("%s: %q is no setting", file, unknown[0])
	}
	if err := s.validate(); err != nil {
		return s, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// Fill puts the defaults where nothing was given, and checks all.
func (s *Settings) Fill() error {
	for field, def := range map[*string]string{
		&s.Images: DefaultImages, &s.Boot: DefaultBoot, &s.DHCP: "proxy", &s.Rate: "auto", &s.Querier: "auto", &s.BootDefault: "local",
	} {
		*field = cmp.Or(*field, def)
	}
	s.Serial = cmp.Or(s.Serial, 115200)
	s.HTTPPort = cmp.Or(s.HTTPPort, catalog.Port)
	s.Gather = Duration{s.Gather.Or(DefaultGather), true}
	s.BootTimeout = Duration{s.BootTimeout.Or(DefaultTimeout), true}
	return s.validate()
}

// validate checks what stands in a file as well as on a command line.
func (s *Settings) validate() error {
	if _, _, err := s.Range(); err != nil {
		return err
	}
	if b := s.BootDefault; b != "" && b != "local" && b != "image" {
		return fmt.Errorf("boot-default = %q: it is local or image", b)
	}
	if s.HTTPPort < 0 || s.HTTPPort > 65535 {
		return fmt.Errorf("http-port = %d: it is 1 to 65535", s.HTTPPort)
	}
	if s.Serial > 0 {
		if err := (ramdisk.Config{SerialSpeed: s.Serial}).Check(); err != nil {
			return err
		}
	}
	if err := checkAfter(catalog.After(s.After)); err != nil {
		return err
	}
	for i := range s.Machines {
		if s.Machines[i].Match == "" {
			return fmt.Errorf("machine %d has no match: give a MAC address, a UUID, a serial number, a name or a pattern such as \"pc-1?\"", i+1)
		}
		if err := s.Machines[i].validate(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rule) validate() error {
	if _, err := path.Match(r.Match, ""); err != nil {
		return fmt.Errorf("match = %q: the pattern is not complete", r.Match)
	}
	if r.Unattended && r.Image == "" {
		return fmt.Errorf("machine %q is unattended and has no image: say which", r.Match)
	}
	_, err := menu.ParsePolicy(r.Disk) // here it is read by who wrote it, on the machine by who walks there
	if err = cmp.Or(checkAfter(r.After), err); err != nil {
		return fmt.Errorf("machine %q: %w", r.Match, err)
	}
	return nil
}

func checkAfter(a catalog.After) error {
	switch a {
	case "", catalog.Reboot, catalog.PowerOff, catalog.Shell, catalog.Menu:
		return nil
	}
	return fmt.Errorf("after = %q: it is reboot, poweroff, shell or menu", a)
}

// Range returns the addresses to give out, both included; invalid ones when others
// give addresses.
func (s *Settings) Range() (first, last netip.Addr, err error) {
	if s.DHCP == "" || s.DHCP == "proxy" || s.DHCP == "off" {
		return first, last, nil
	}
	from, to, _ := strings.Cut(s.DHCP, "-")
	first, err = netip.ParseAddr(strings.TrimSpace(from))
	if err == nil {
		last, err = netip.ParseAddr(strings.TrimSpace(to))
	}
	if err != nil || !first.Is4() || !last.Is4() || last.Less(first) {
		return netip.Addr{}, netip.Addr{}, fmt.Errorf("dhcp = %q: it is proxy, off, or a range such as 10.0.0.100-10.0.0.200", s.DHCP)
	}
	return first, last, nil
}

// orders returns what a machine does without being asked.
func (s *Settings) orders(m *catalog.Machine) catalog.Orders {
	o := catalog.Orders{After: catalog.After(s.After)}
	for i := range s.Machines {
		if r := &s.Machines[i]; r.matches(m) {
			o.Image, o.Disk, o.Unattended, o.Verify = r.Image, r.Disk, r.Unattended, r.Verify
			if r.After != "" {
				o.After = r.After
			}
			break
		}
	}
	return o
}

func (r *Rule) matches(m *catalog.Machine) bool {
	pattern := strings.ToLower(r.Match)
	for _, have := range []string{m.MAC, m.UUID, m.Serial, m.Name} {
		if ok, _ := path.Match(pattern, strings.ToLower(have)); ok && have != "" {
			return true
		}
	}
	return false
}
