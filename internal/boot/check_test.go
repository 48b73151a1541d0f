package boot

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxecast/pxecast/bench/lab"
	"github.com/pxecast/pxecast/bench/lab/labtest"
	"github.com/pxecast/pxecast/internal/boot/dhcp"
)

// lines returns what was found, a line each, the fatal ones with a "!".
func lines(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		mark := " "
		if f.Fatal {
			mark = "!"
		}
		if f.What == "" || f.Why == "" || f.Do == "" {
			mark = "?"
		}
		fmt.Fprintf(&b, "%s %s\n", mark, f.What)
	}
	return b.String()
}

var (
	here   = netip.MustParseAddr("10.0.0.1")
	router = netip.MustParseAddr("10.0.0.254")
	given  = netip.MustParseAddr("10.0.0.50")
)

func TestOthersAreJudged(t *testing.T) {
	address := dhcp.Heard{Server: router, Gives: given, From: router}
	ours := dhcp.Heard{Server: here, Boot: "core.0", From: here}
	boots := dhcp.Heard{Server: netip.MustParseAddr("10.0.0.9"), Boot: "pxelinux.0", From: netip.MustParseAddr("10.0.0.9")}
	sends := dhcp.Heard{Server: router, Gives: given, Boot: "core.0", From: here}
	for _, tt := range []struct {
		mode  Mode
		heard []dhcp.Heard
		want  string
	}{
		{Proxy, []dhcp.Heard{address}, ""},
		{Proxy, []dhcp.Heard{address, ours}, ""},
		{Proxy, nil, "! no DHCP server gives out addresses on eth0\n"},
		{Proxy, []dhcp.Heard{address, boots}, "! 10.0.0.9 tells machines to boot pxelinux.0\n"},
		{Proxy, []dhcp.Heard{sends}, ""},
		{Full, nil, ""},
		{Full, []dhcp.Heard{{Server: here, Gives: given, Boot: "core.0", From: here}}, ""},
		{Full, []dhcp.Heard{address}, "! another DHCP server gives out addresses: 10.0.0.254\n"},
		{Off, []dhcp.Heard{address}, "! no DHCP server sends machines here\n"},
		{Off, []dhcp.Heard{sends}, ""},
	} {
		cfg := Config{Interface: "eth0", Addr: here, DHCP: DHCP{Mode: tt.mode}}
		if got := lines(judge(&cfg, tt.heard)); got != tt.want {
			t.Errorf("mode %d, %+v: %q, want %q", tt.mode, tt.heard, got, tt.want)
		}
	}
}

// rules are rulesets of nft, and which of two ports each closes.
func TestFirewalls(t *testing.T) {
	l := labtest.New(t, lab.Config{Hosts: 1})
	for _, tt := range []struct{ name, rules, want string }{
		{"none", "", ""},
		{"accepts", "table inet f { chain input { type filter hook input priority 0; policy accept; }; }", ""},
		{"drops all", "table inet f { chain input { type filter hook input priority 0; policy drop; }; }", "69 26980"},
		{"drops at the end", "table ip f { chain input { type filter hook input priority 0; ct state established accept; counter reject; }; }", "69 26980"},
		{"lets one in", "table inet f { chain input { type filter hook input priority 0; policy drop; udp dport 69 accept; }; }", "26980"},
		{"lets a range in", "table inet f { chain input { type filter hook input priority 0; policy drop; udp dport { 60-70, 4011 } accept; tcp dport 26980 accept; }; }", ""},
		{"in a chain of its own", "table inet f { chain more { tcp dport { 22, 26980 } accept; }; chain input { type filter hook input priority 0; policy drop; jump more; }; }", "69"},
		{"lets the interface in", "table inet f { chain input { type filter hook input priority 0; policy drop; iifname \"eth0\" accept; }; }", ""},
		{"lets another interface in", "table inet f { chain input { type filter hook input priority 0; policy drop; iifname \"eth1\" accept; }; }", "69 26980"},
		{"drops one port", "table inet f { chain input { type filter hook input priority 0; policy accept; tcp dport 25 drop; }; }", ""},
		{"forwards nothing", "table inet f { chain forward { type filter hook forward priority 0; policy drop; }; }", ""},
	} {
		cmd := l.Host(0).Command(t.Context(), "nft", "-f", "-")
		cmd.Stdin = strings.NewReader("flush ruleset\n" + tt.rules + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %s", tt.name, out)
		}
		text, err := l.Host(0).Command(t.Context(), "nft", "-j", "list", "ruleset").Output()
		if err != nil {
			t.Fatal(err)
		}
		var closed []string
		for _, f := range judgeRules(text, "eth0", map[int]string{69: "UDP", 26980: "TCP"}) {
			closed = append(closed, f.What[strings.LastIndex(f.What, " ")+1:])
		}
		if got := strings.Join(closed, " "); got != tt.want {
			t.Errorf("who %s closes %q, want %q", tt.name, got, tt.want)
		}
	}
	if all := judgeRules([]byte("rubbish"), "eth0", nil); all != nil {
		t.Error(all)
	}
}

// In a network with what stands in the way for real.
func TestCheck(t *testing.T) {
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		t.Skip("program dnsmasq is missing (Debian package dnsmasq-base)")
	}
	l := labtest.New(t, lab.Config{Hosts: 2})
	h := l.Host(0)
	check := func(cfg Config) string {
		t.Helper()
		cfg.Interface, cfg.Tree = lab.Interface, t.TempDir()
		if !cfg.Addr.IsValid() {
			cfg.Addr = h.Addr()
		}
		var all []Finding
		h.Do(func() error { all = Check(t.Context(), cfg); return nil })
		return lines(all)
	}
	if got, want := check(Config{}), "! no DHCP server gives out addresses on eth0\n"; got != want {
		t.Errorf("alone: %q, want %q", got, want)
	}
	if got, want := check(Config{Addr: here}), "! eth0 can't be served\n"; got != want {
		t.Errorf("without address: %q, want %q", got, want)
	}
	cmd := l.Host(1).Command(t.Context(), "dnsmasq", "-k", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--interface="+lab.Interface,
		"--dhcp-range=10.77.9.1,10.77.9.9,1h", "--no-ping", "--dhcp-leasefile="+filepath.Join(t.TempDir(), "leases"), "--log-facility=-")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cmd.Cancel(); cmd.Wait() }()
	got := ""
	for end := time.Now().Add(20 * time.Second); got != "\n" && time.Now().Before(end); {
		got = check(Config{}) + "\n"
	}
	if got != "\n" {
		t.Errorf("beside dnsmasq: %q; it says %s", got, said.Bytes())
	}
	full := Config{DHCP: DHCP{Mode: Full, First: netip.MustParseAddr("10.77.9.100"), Last: netip.MustParseAddr("10.77.9.120")}}
	if got, want := check(full), "! another DHCP server gives out addresses: 10.77.0.2\n"; got != want {
		t.Errorf("giving out addresses beside dnsmasq: %q, want %q", got, want)
	}
	tftp := h.Command(t.Context(), "dnsmasq", "-k", "--conf-file=/dev/null", "--port=0", "--user=root", "--pid-file=", "--enable-tftp", "--tftp-root=/tmp",
		"--interface="+lab.Interface, "--log-facility=-")
	if err := tftp.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { tftp.Cancel(); tftp.Wait() }()
	want := "! UDP port 69 is taken\n"
	for end := time.Now().Add(20 * time.Second); got != want && time.Now().Before(end); {
		got = check(Config{})
	}
	if got != want {
		t.Errorf("beside another TFTP server: %q, want %q", got, want)
	}
}
