package boot

import (
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
)

var update = flag.Bool("update", false, "write the golden menus anew")

var web = netip.MustParseAddrPort("10.0.0.1:26980")

// The menus as boot loaders read them. Those in testdata were booted in virtual
// machines; who changes them does that again.
func TestMenus(t *testing.T) {
	for name, m := range map[string]Menu{
		"default":    {Timeout: 10 * time.Second, Serial: 115200},
		"unattended": {Default: Image, Args: []string{"pxecast.image=lab", "pxecast.confirm=no"}},
		"waits":      {Default: Image, Timeout: -1},
	} {
		if err := m.validate(); err != nil {
			t.Error(err)
		}
		for kind, got := range map[string][]byte{"grub": m.grub(web), "ipxe": m.ipxe(web)} {
			file := filepath.Join("testdata", name+"."+kind)
			if *update {
				os.MkdirAll("testdata", 0o755)
				os.WriteFile(file, got, 0o644)
			}
			want, err := os.ReadFile(file)
			if err != nil || string(got) != string(want) {
				t.Errorf("%s: %v\n%s", file, err, got)
			}
		}
	}
}

// What goes into a boot loader's script can't end a line or begin a command.
func TestMenusRefuse(t *testing.T) {
	for want, m := range map[string]Menu{
		"has no entry": {Default: "windows"},
		"less than 0":  {Serial: -1},
		"\"a b\"":      {Args: []string{"a b"}},
		"\"\"":         {Args: []string{""}},
		"\"x;reboot\"": {Args: []string{"x;reboot"}},
		"${mac}":       {Args: []string{"x=${mac}"}},
		"\\n":          {Args: []string{"x\nreboot"}},
		"}":            {Args: []string{"x}"}},
	} {
		if err := m.validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A machine's own menu is checked when it is asked for.
func TestBadMenusGiveWay(t *testing.T) {
	s := &server{cfg: Config{Log: slog.New(slog.DiscardHandler), Menu: func(m Machine) Menu {
		if m.MAC != "" {
			return Menu{Args: []string{"x\nhalt"}}
		}
		return Menu{Args: []string{"for=all"}}
	}}}
	made, ok := s.made(Machine{})("grub/machine/52:54:00:12:34:56")
	if text := string(made); !ok || !strings.Contains(text, "for=all") || strings.Contains(text, "x\n") {
		t.Error(text)
	}
}

// What DHCP does, as it is told: reasons once for each machine.
func TestDHCPIsTold(t *testing.T) {
	var got []string
	s := &server{cfg: Config{Events: func(e Event) {
		got = append(got, strings.TrimSpace(string(e.Kind)+" "+e.Machine.MAC[15:]+" "+e.What+" "+e.Text))
	}}}
	pc := func(n byte, a dhcp.Arch) dhcp.Client {
		return dhcp.Client{MAC: dhcp.MAC{2, 5: n}, Arch: a, Kind: dhcp.PXE, UUID: "u"}
	}
	addr := netip.MustParseAddr("10.0.0.50")
	for _, n := range []dhcp.Note{
		{Client: pc(1, dhcp.BIOS), Asked: dhcp.Discover, Told: dhcp.Offer, File: "core.0", Addr: addr},
		{Client: pc(1, dhcp.BIOS), Asked: dhcp.Request, Told: dhcp.Ack, File: "core.0", Addr: addr},
		{Client: pc(2, dhcp.ARM64), Asked: dhcp.Discover, Why: "no"},
		{Client: pc(2, dhcp.ARM64), Asked: dhcp.Discover, Why: "no"},
		{Client: pc(3, dhcp.ARM64), Asked: dhcp.Discover, Why: "no"},
		{Client: pc(2, dhcp.ARM64), Asked: dhcp.Discover, Why: "full"},
		{Client: dhcp.Client{MAC: dhcp.MAC{2, 5: 4}}, Asked: dhcp.Discover, Told: dhcp.Offer, Addr: addr},
		{Client: dhcp.Client{MAC: dhcp.MAC{2, 5: 4}}, Asked: dhcp.Discover},
		{Client: pc(5, dhcp.X64), Asked: dhcp.Request, Told: dhcp.Ack, File: "shimx64.efi"},
	} {
		s.noteDHCP(n)
	}
	want := "asked 01 BIOS\nleased 01 BIOS\nignored 02 ARM no\nignored 03 ARM no\nignored 02 ARM full\nasked 05 64-bit UEFI"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
	if m := s.known.at(addr); m.MAC != "02:00:00:00:00:04" || s.known.of("02:00:00:00:00:01").UUID != "u" {
		t.Errorf("%+v", m)
	}
}

// Made-up machines take no more memory than there is for them.
func TestMachinesAreBounded(t *testing.T) {
	var m machines
	for i := range 5 * machinesMost {
		c := dhcp.Client{MAC: dhcp.MAC{2, byte(i >> 16), byte(i >> 8), byte(i)}, UUID: "u"}
		m.note(c, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), "why")
		if len(m.uuids) > machinesMost || len(m.recent) > machinesMost || len(m.macs) > 2*machinesMost+1 || len(m.said) > 4*machinesMost+1 {
			t.Fatalf("%d machines, %d addresses, %d reasons", len(m.uuids), len(m.macs), len(m.said))
		}
	}
}
