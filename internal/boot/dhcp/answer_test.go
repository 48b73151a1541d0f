package dhcp

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	noon    = time.Unix(1700000000, 0)
	ours    = netip.MustParseAddr("10.0.0.1")
	nobody  = netip.MustParseAddrPort("0.0.0.0:68")
	pc1     = MAC{0x52, 0x54, 0, 0, 0, 1}
	pc2     = MAC{0x52, 0x54, 0, 0, 0, 2}
	pc3     = MAC{0x52, 0x54, 0, 0, 0, 3}
	classic = Config{
		Server: ours, Subnet: netip.MustParsePrefix("10.0.0.0/24"),
		Files: Files{BIOS: "core.0", UEFI: "shimx64.efi", HTTP: "http://10.0.0.1:26980/shimx64.efi", IPXE: "http://10.0.0.1:26980/boot.ipxe"},
	}
)

// giving is a server that gives out the addresses .100 to .102.
func giving(t testing.TB) *Server {
	cfg := classic
	cfg.Mode, cfg.First, cfg.Last = Full, netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("10.0.0.102")
	cfg.Router, cfg.Domain, cfg.DNS = netip.MustParseAddr("10.0.0.254"), "lab.example", []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}
	return made(t, cfg)
}

func made(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// message makes what a client sends. with changes it.
func message(m MAC, t Type, with ...func(*Packet)) *Packet {
	p := &Packet{XID: 7, MAC: m}
	p.Options.Add(MessageType, byte(t))
	for _, change := range with {
		change(p)
	}
	return p
}

func pxe(arch Arch) func(*Packet) {
	return func(p *Packet) {
		p.Options.AddText(Class, fmt.Sprintf("PXEClient:Arch:%05d:UNDI:003016", arch))
		p.Options.Add(Architecture, byte(arch>>8), byte(arch))
		p.Options.Add(MachineID, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
	}
}

func wants(a string) func(*Packet) {
	return func(p *Packet) { p.Options.AddAddrs(RequestedAddr, netip.MustParseAddr(a)) }
}

func to(server string) func(*Packet) {
	return func(p *Packet) { p.Options.AddAddrs(ServerID, netip.MustParseAddr(server)) }
}

func has(a string) func(*Packet) { return func(p *Packet) { p.CIAddr = netip.MustParseAddr(a) } }

// told is a reply as a line: its type, the addresses and the boot file.
func told(r *Reply) string {
	if r == nil {
		return ""
	}
	parts := []string{r.Packet.Options.Type().String()}
	if r.Packet.YIAddr.IsValid() {
		parts = append(parts, r.Packet.YIAddr.String())
	}
	if r.Packet.File != "" {
		parts = append(parts, r.Packet.File)
	}
	if r.To != everybody {
		parts = append(parts, "to "+r.To.String())
	}
	return strings.Join(parts, " ")
}

// Which file each kind of machine is told of, and who is told of none.
func TestBootFiles(t *testing.T) {
	http := func(p *Packet) {
		p.Options.AddText(Class, "HTTPClient:Arch:00016:UNDI:003001")
		p.Options.Add(Architecture, 0, 16)
	}
	ipxe := func(features ...byte) func(*Packet) {
		return func(p *Packet) { p.Options.AddText(UserClass, "iPXE"); p.Options.Add(IPXE, features...) }
	}
	canHTTP := ipxe(0xb1, 1, 1, 19, 1, 1)
	for _, tt := range []struct {
		name string
		with []func(*Packet)
		want string
		why  string
	}{
		{"BIOS", []func(*Packet){pxe(BIOS)}, "core.0", ""},
		{"UEFI", []func(*Packet){pxe(X64)}, "shimx64.efi", ""},
		{"UEFI by its other number", []func(*Packet){pxe(X64Also)}, "shimx64.efi", ""},
		{"UEFI HTTP boot", []func(*Packet){http}, "http://10.0.0.1:26980/shimx64.efi", ""},
		{"iPXE under BIOS", []func(*Packet){pxe(BIOS), canHTTP}, "http://10.0.0.1:26980/boot.ipxe", ""},
		{"iPXE under UEFI", []func(*Packet){pxe(X64), canHTTP}, "http://10.0.0.1:26980/boot.ipxe", ""},
		{"iPXE without HTTP", []func(*Packet){pxe(BIOS), ipxe(17, 1, 1)}, "core.0", ""},
		{"iPXE without HTTP under UEFI", []func(*Packet){pxe(X64), ipxe(19, 1, 0)}, "shimx64.efi", ""},
		{"iPXE on ARM", []func(*Packet){pxe(ARM64), canHTTP}, "", "no boot loader here for ARM"},
		{"32-bit UEFI", []func(*Packet){pxe(IA32)}, "", "no boot loader here for 32-bit UEFI"},
		{"ARM", []func(*Packet){pxe(ARM64)}, "", "no boot loader here for ARM"},
		{"what nobody knows", []func(*Packet){pxe(4711)}, "", "no boot loader here for architecture 4711"},
		{"without option 93", []func(*Packet){func(p *Packet) { p.Options.AddText(Class, "PXEClient:Arch:00007:UNDI:003016") }}, "shimx64.efi", ""},
		{"class without a number", []func(*Packet){func(p *Packet) { p.Options.AddText(Class, "PXEClient:Arch:0000x:") }}, "", "architecture 65535"},
		{"an operating system", nil, "", ""},
		{"another system's class", []func(*Packet){func(p *Packet) { p.Options.AddText(Class, "MSFT 5.0") }}, "", ""},
	} {
		r, n := made(t, classic).Answer(message(pc1, Discover, tt.with...), ServerPort, nobody, noon)
		if got := ""; r != nil {
			if got = r.Packet.File; got != tt.want || string(r.Packet.Options.Get(BootFile)) != tt.want {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		} else if tt.want != "" {
			t.Errorf("%s: not answered, want %q", tt.name, tt.want)
		}
		if tt.why == "" && n.Why != "" || !strings.Contains(n.Why, tt.why) {
			t.Errorf("%s: %q, want %q", tt.name, n.Why, tt.why)
		}
	}
}

// Beside another DHCP server only those are answered that look for a boot server, and
// nobody gets an address.
func TestProxy(t *testing.T) {
	here := netip.MustParseAddrPort("10.0.0.50:68")
	for _, tt := range []struct {
		name string
		p    *Packet
		port uint16
		from netip.AddrPort
		want string
	}{
		{"looks for servers", message(pc1, Discover, pxe(BIOS)), 67, nobody, "OFFER core.0"},
		{"only wants an address", message(pc1, Discover), 67, nobody, ""},
		{"takes the other's address", message(pc1, Request, pxe(BIOS), to("10.0.0.2"), wants("10.0.0.50")), 67, nobody, ""},
		{"takes an address, to all", message(pc1, Request, pxe(BIOS), wants("10.0.0.50")), 67, nobody, ""},
		{"gives back", message(pc1, Release, has("10.0.0.50")), 67, here, ""},
		{"asks only this server", message(pc1, Request, pxe(X64), has("10.0.0.50")), 4011, here, "ACK shimx64.efi to 10.0.0.50:68"},
		{"asks only this server, by its port", message(pc1, Request, pxe(X64), has("10.0.0.50")), 4011, netip.MustParseAddrPort("10.0.0.50:4011"), "ACK shimx64.efi to 10.0.0.50:4011"},
		{"asks another server here", message(pc1, Request, pxe(X64), has("10.0.0.50"), to("10.0.0.2")), 4011, here, ""},
		{"looks for servers on the wrong port", message(pc1, Discover, pxe(X64)), 4011, here, ""},
		{"is not for booting", message(pc1, Request, has("10.0.0.50")), 4011, here, ""},
		{"is of another network", message(pc1, Request, pxe(X64), has("10.0.1.50")), 4011, netip.MustParseAddrPort("10.0.1.50:68"), ""},
		{"comes by a relay of this network", message(pc1, Discover, pxe(BIOS), func(p *Packet) { p.GIAddr = netip.MustParseAddr("10.0.0.254") }), 67, netip.MustParseAddrPort("10.0.0.254:67"), "OFFER core.0 to 10.0.0.254:67"},
		{"comes by a relay of another", message(pc1, Discover, pxe(BIOS), func(p *Packet) { p.GIAddr = netip.MustParseAddr("10.0.1.254") }), 67, netip.MustParseAddrPort("10.0.0.254:67"), ""},
		{"is a reply", message(pc1, Discover, pxe(BIOS), func(p *Packet) { p.Reply = true }), 67, nobody, ""},
		{"is from no card", message(MAC{}, Discover, pxe(BIOS)), 67, nobody, ""},
		{"is BOOTP", &Packet{MAC: pc1}, 67, nobody, ""},
	} {
		r, _ := made(t, classic).Answer(tt.p, tt.port, tt.from, noon)
		if got := told(r); got != tt.want {
			t.Errorf("who %s is told %q, want %q", tt.name, got, tt.want)
		}
		if r != nil && r.Packet.YIAddr.IsValid() {
			t.Errorf("who %s gets an address", tt.name)
		}
	}
}

// What firmware wants in an answer beside the file.
func TestOfferIsPXE(t *testing.T) {
	for _, s := range []*Server{made(t, classic), giving(t)} {
		r, _ := s.Answer(message(pc1, Discover, pxe(X64)), ServerPort, nobody, noon)
		p := r.Packet
		if string(p.Options.Get(Class)) != "PXEClient" || string(p.Options.Get(VendorInfo)) != "\x06\x01\x08\xff" ||
			p.Options.Addr(ServerID) != ours || p.SIAddr != ours || string(p.Options.Get(TFTPServer)) != "10.0.0.1" ||
			len(p.Options.Get(MachineID)) != 17 || p.XID != 7 || !p.Reply || p.MAC != pc1 {
			t.Errorf("%+v", p)
		}
	}
}

// edk2 writes a NUL behind the boot file's name. All that comes after must still be
// there then.
func TestOptionsOutliveUEFI(t *testing.T) {
	r, _ := giving(t).Answer(message(pc1, Discover, pxe(X64)), ServerPort, nobody, noon)
	b, err := r.Packet.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	name := append([]byte{byte(BootFile), byte(len("shimx64.efi"))}, "shimx64.efi"...)
	at := bytes.Index(b, name)
	b[at+len(name)] = 0
	p, err := Parse(b)
	if err != nil || len(p.Options.Get(SubnetMask)) != 4 || len(p.Options) != len(r.Packet.Options) {
		t.Errorf("%v, %v", p, err)
	}
}

// step is a message and what is told.
type step struct {
	name string
	p    *Packet
	at   time.Duration // after the start
	want string
}

// run sends messages to a server that gives out addresses, one after the other.
func run(t *testing.T, s *Server, steps []step) {
	t.Helper()
	for _, tt := range steps {
		from := nobody
		if tt.p.CIAddr.IsValid() {
			from = netip.AddrPortFrom(tt.p.CIAddr, ClientPort)
		}
		r, _ := s.Answer(tt.p, ServerPort, from, noon.Add(tt.at))
		if got := told(r); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAddressesAreGivenOut(t *testing.T) {
	run(t, giving(t), []step{
		{"the first", message(pc1, Discover, pxe(BIOS)), 0, "OFFER 10.0.0.100 core.0"},
		{"asks again", message(pc1, Discover, pxe(BIOS)), 1, "OFFER 10.0.0.100 core.0"},
		{"takes it", message(pc1, Request, pxe(BIOS), to("10.0.0.1"), wants("10.0.0.100")), 2, "ACK 10.0.0.100 core.0"},
		{"its system asks, which doesn't boot", message(pc1, Discover, func(p *Packet) { p.Options.Add(ClientID, 255, 1, 2) }), 3, "OFFER 10.0.0.100"},
		{"another wants what is taken", message(pc2, Discover, wants("10.0.0.100")), 4, "OFFER 10.0.0.101"},
		{"another wants what is free", message(pc3, Discover, wants("10.0.0.102")), 5, "OFFER 10.0.0.102"},
		{"there are no more", message(MAC{9}, Discover), 6, ""},
		{"takes another server's", message(pc2, Request, to("10.0.0.2"), wants("10.0.0.7")), 7, ""},
		{"an offer that nobody took is free after a minute", message(MAC{9}, Discover), 2 * time.Minute, "OFFER 10.0.0.101"},
	})
}

func TestLeasesGoOnAndEnd(t *testing.T) {
	run(t, giving(t), []step{
		{"offer", message(pc1, Discover), 0, "OFFER 10.0.0.100"},
		{"lease", message(pc1, Request, to("10.0.0.1"), wants("10.0.0.100")), 0, "ACK 10.0.0.100"},
		{"renewed", message(pc1, Request, has("10.0.0.100")), 30 * time.Minute, "ACK 10.0.0.100 to 10.0.0.100:68"},
		{"kept", message(pc2, Discover, wants("10.0.0.100")), 85 * time.Minute, "OFFER 10.0.0.101"},
		{"over, and the same one comes", message(pc1, Discover), 3 * time.Hour, "OFFER 10.0.0.100"},
		{"lease", message(pc1, Request, to("10.0.0.1"), wants("10.0.0.100")), 3 * time.Hour, "ACK 10.0.0.100"},
		{"given back", message(pc1, Release, has("10.0.0.100"), to("10.0.0.1")), 3 * time.Hour, ""},
		{"it is free, but those that nobody had come first", message(pc3, Discover), 3*time.Hour + 1, "OFFER 10.0.0.102"},
		{"then it", message(MAC{9}, Discover), 3*time.Hour + 2, "OFFER 10.0.0.101"},
		{"comes back", message(pc1, Discover), 3*time.Hour + 3, "OFFER 10.0.0.100"},
		{"rebooted", message(pc1, Request, wants("10.0.0.100")), 3*time.Hour + 4, "ACK 10.0.0.100"},
	})
}

// A NAK makes a machine forget its address, so there is one only for a machine that is
// known here, or that says that its address is from here.
func TestOnlyOursAreRefused(t *testing.T) {
	run(t, giving(t), []step{
		{"offer", message(pc1, Discover), 0, "OFFER 10.0.0.100"},
		{"takes another than was offered", message(pc1, Request, to("10.0.0.1"), wants("10.0.0.101")), 1, "NAK"},
		{"takes what wasn't offered", message(pc2, Request, to("10.0.0.1"), wants("10.0.0.101")), 1, "NAK"},
		{"lease", message(pc1, Request, to("10.0.0.1"), wants("10.0.0.100")), 2, "ACK 10.0.0.100"},
		{"reboots with an address from elsewhere", message(pc1, Request, wants("192.168.1.5")), 3, "NAK"},
		{"reboots, is not known", message(pc2, Request, wants("10.0.0.101")), 3, ""},
		{"reboots, is not known, from elsewhere", message(pc2, Request, wants("192.168.1.5")), 3, ""},
		{"renews what it hasn't", message(pc1, Request, has("10.0.0.101")), 3, "NAK"},
		{"renews, is not known", message(pc2, Request, has("10.0.0.101")), 3, ""},
		{"another's offer is better", message(pc3, Discover), 3, "OFFER 10.0.0.101"},
		{"and it goes on with that", message(pc3, Request, has("10.0.0.7")), 4, ""},
		{"after a reboot too", message(pc3, Request, wants("10.0.0.7")), 4, ""},
		{"declines another's", message(pc2, Decline, to("10.0.0.1"), wants("10.0.0.100")), 4, ""},
		{"gives another's back", message(pc2, Release, to("10.0.0.1"), has("10.0.0.100")), 4, ""},
		{"still has it", message(pc1, Request, has("10.0.0.100")), 5, "ACK 10.0.0.100 to 10.0.0.100:68"},
	})
}

// Addresses of the range that this machine or one that is named has are not given out.
func TestNeverGivenOut(t *testing.T) {
	cfg := giving(t).cfg
	cfg.DNS, cfg.Never = []netip.Addr{netip.MustParseAddr("10.0.0.100")}, []netip.Addr{netip.MustParseAddr("10.0.0.101")}
	run(t, made(t, cfg), []step{
		{"the only one", message(pc1, Discover, wants("10.0.0.101")), 0, "OFFER 10.0.0.102"},
		{"there is no other", message(pc2, Discover, wants("10.0.0.100")), 0, ""},
	})
}

// An address that somebody uses without asking is not given out for ten minutes.
func TestUsedAddresses(t *testing.T) {
	s := giving(t)
	run(t, s, []step{
		{"offer", message(pc1, Discover), 0, "OFFER 10.0.0.100"},
		{"lease", message(pc1, Request, to("10.0.0.1"), wants("10.0.0.100")), 0, "ACK 10.0.0.100"},
		{"finds it taken", message(pc1, Decline, to("10.0.0.1"), wants("10.0.0.100")), 1, ""},
		{"asks again", message(pc1, Discover), 2, "OFFER 10.0.0.101"},
		{"wants it", message(pc2, Discover, wants("10.0.0.100")), 3, "OFFER 10.0.0.102"},
		{"later", message(pc3, Discover, wants("10.0.0.100")), badTime + 2, "OFFER 10.0.0.100"},
	})
	s.leases.Bad(ours, noon)
	if len(s.leases.bad) != 1 {
		t.Error("addresses are noted that are not given out")
	}
}

func TestInform(t *testing.T) {
	r, _ := giving(t).Answer(message(pc1, Inform, has("10.0.0.9")), ServerPort, netip.MustParseAddrPort("10.0.0.9:68"), noon)
	if got := told(r); got != "ACK to 10.0.0.9:68" || r.Packet.Options.Has(LeaseTime) || r.Packet.Options.Addr(Router).String() != "10.0.0.254" {
		t.Errorf("%s %v", got, r)
	}
}

func TestLeaseHasTheNetworksOptions(t *testing.T) {
	s := giving(t)
	relay := func(p *Packet) { p.Options.Add(RelayInfo, 1, 2, 3) }
	r, _ := s.Answer(message(pc1, Discover, relay, func(p *Packet) { p.Options.Add(ClientID, 1, 9, 9) }), ServerPort, nobody, noon)
	for code, want := range map[Code]string{
		SubnetMask: "\xff\xff\xff\x00", Router: "\x0a\x00\x00\xfe", DNS: "\x0a\x00\x00\x02\x0a\x00\x00\x03", Domain: "lab.example",
		BroadcastAddr: "\x0a\x00\x00\xff", LeaseTime: "\x00\x00\x0e\x10", ServerID: "\x0a\x00\x00\x01", ClientID: "\x01\x09\x09", RelayInfo: "\x01\x02\x03",
	} {
		if got := r.Packet.Options.Get(code); string(got) != want {
			t.Errorf("option %d is %q, want %q", code, got, want)
		}
	}
	if last := r.Packet.Options[len(r.Packet.Options)-1]; last.Code != RelayInfo {
		t.Errorf("the last option is %d, not the relay's", last.Code)
	}
	if r.Packet.SIAddr != ours || r.Packet.Options.Has(Class) {
		t.Errorf("who doesn't boot is told %v", r.Packet)
	}
}

// After a restart all come by their addresses again.
func TestLeasesOutliveTheServer(t *testing.T) {
	s := giving(t)
	named := func(p *Packet) { p.Options.AddText(HostName, "pc-2.lab") }
	run(t, s, []step{
		{"offer", message(pc1, Discover), 0, "OFFER 10.0.0.100"},
		{"offer", message(pc2, Discover), 0, "OFFER 10.0.0.101"},
		{"lease", message(pc2, Request, to("10.0.0.1"), wants("10.0.0.101"), named), 0, "ACK 10.0.0.101"},
	})
	text, _ := s.leases.AppendText(nil)
	if want := fmt.Sprintf("52:54:00:00:00:02 10.0.0.101 %d pc-2\n", noon.Add(time.Hour).Unix()); string(text) != want {
		t.Errorf("%q, want %q", text, want)
	}
	text = append(text, "x\n52:54:00:00:00:01 10.0.7.1 1 -\n52:54:00:00:00:03 10.0.0.102 x -\n52:54:00:00:00:04 10.0.0.1 99999999999 -\n52:54:00:00:00:05 10.0.0.101 99999999999 -\n"...)
	after := giving(t)
	after.leases.Load(text)
	run(t, after, []step{
		{"others", message(pc1, Discover, wants("10.0.0.101")), 0, "OFFER 10.0.0.100"},
		{"renewed", message(pc2, Request, has("10.0.0.101")), 1, "ACK 10.0.0.101 to 10.0.0.101:68"},
	})
	if len(after.leases.machine) != 2 {
		t.Errorf("%d leases were read, want 1", len(after.leases.machine)-1)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"not in its network": func(c *Config) { c.Server = netip.MustParseAddr("10.9.0.1") },
		"not all in the":     func(c *Config) { c.Last = netip.MustParseAddr("10.0.1.5") },
		"its first and its":  func(c *Config) { c.Last = netip.MustParseAddr("10.0.0.5") },
		"are more than": func(c *Config) {
			c.Subnet, c.Last = netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("10.9.0.0")
		},
		"has more than 255 let": func(c *Config) { c.Domain = strings.Repeat("x", 256) },
	} {
		cfg := classic
		cfg.Mode, cfg.First, cfg.Last = Full, netip.MustParseAddr("10.0.0.100"), netip.MustParseAddr("10.0.0.102")
		change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
