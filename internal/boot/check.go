package boot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
)

// Finding is something on this machine or its network that stands in the way.
type Finding struct {
	Fatal bool   // nothing boots, or not what should; otherwise some machines may not
	What  string // "UDP port 69 is taken"
	Why   string // how that is known: "dnsmasq (pid 123) has it"
	Do    string // "stop it: …"
}

// listenTime is how long Check waits for others' answers: DHCP servers that look
// first whether an address is in use take a second.
const listenTime = 3 * time.Second

// Check returns what would stop a server of this configuration, what is fatal first in
// each field. It opens the ports for a moment and asks the network, which takes three
// seconds; it changes nothing.
func Check(ctx context.Context, cfg Config) []Finding {
	if err := cfg.validate(); err != nil {
		return []Finding{{Fatal: true, What: "the settings are not complete", Why: err.Error(), Do: "set what is missing"}}
	}
	subnet, all := checkInterface(&cfg)
	if !subnet.IsValid() {
		return all
	}
	s := &server{cfg: cfg, http: netip.AddrPortFrom(cfg.Addr, cfg.HTTPPort), subnet: subnet}
	all = append(all, s.checkPorts()...)
	all = append(all, checkFirewall(ctx, &cfg)...)
	heard, err := dhcp.Probe(ctx, cfg.Interface, listenTime)
	if err != nil {
		return append(all, Finding{What: "it can't be seen which DHCP servers there are", Why: err.Error(), Do: "look with `nmap --script broadcast-dhcp-discover`, or with a PC that boots"})
	}
	return append(all, judge(&cfg, heard)...)
}

// checkInterface returns the subnet, which is invalid if there is none.
func checkInterface(cfg *Config) (netip.Prefix, []Finding) {
	i, subnet, err := network(cfg.Interface, cfg.Addr)
	if err != nil {
		return subnet, []Finding{{true, cfg.Interface + " can't be served", err.Error(), "give it an address, such as `ip addr add 10.0.0.1/24 dev " + cfg.Interface + "`, or take another interface"}}
	}
	var all []Finding
	if i.Flags&net.FlagUp == 0 {
		all = append(all, Finding{true, cfg.Interface + " is down", "its state is DOWN", "`ip link set " + cfg.Interface + " up`"})
	} else if i.Flags&net.FlagRunning == 0 {
		all = append(all, Finding{true, cfg.Interface + " has no link", "it is up, and nothing is at the other end", "look at its cable and at the port of the switch"})
	}
	if subnet.Bits() > 30 {
		all = append(all, Finding{true, fmt.Sprintf("%v has no network around it", cfg.Addr), fmt.Sprintf("its prefix is %v", subnet), "give the address the prefix length of its network, such as /24"})
	}
	return subnet, all
}

// checkPorts opens what Run opens.
func (s *server) checkPorts() (all []Finding) {
	taken := func(err error, protocol string, port uint16, share string) {
		f := Finding{true, fmt.Sprintf("%s port %d can't be had", protocol, port), err.Error(), "`ip -br addr` lists what this machine has"}
		if inUse(err) {
			who := owner(protocol, port)
			f.What, f.Why, f.Do = fmt.Sprintf("%s port %d is taken", protocol, port), "another process has it", "stop that process"
			if who != "" {
				f.Why, f.Do = who+" has it", "stop it"
			}
			if share != "" {
				f.Fatal, f.Do = false, share
			}
		} else if errors.Is(err, os.ErrPermission) {
			f.Do = "start it as root, or with CAP_NET_BIND_SERVICE and CAP_NET_RAW"
		}
		all = append(all, f)
	}
	if l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(s.http)); err != nil {
		taken(err, "TCP", s.http.Port(), "")
	} else {
		l.Close()
	}
	if u, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.cfg.Addr, tftpPort))); err != nil {
		taken(err, "UDP", tftpPort, "")
	} else {
		u.Close()
	}
	if s.cfg.DHCP.Mode == Off {
		return all
	}
	l, err := dhcp.Listen(s.setup())
	if l != nil {
		l.Close()
	}
	if err == nil {
		return all
	}
	port, share := uint16(dhcp.ServerPort), ""
	if p, ok := errors.AsType[*dhcp.PortTaken](err); ok {
		port = p.Port
	}
	if l != nil {
		share = sharePort
	}
	if port == dhcp.ClientPort {
		share = "stop that DHCP client, or name this machine as next server in the network's DHCP server: without either, machines find no menu"
	}
	taken(err, "UDP", port, share)
	return all
}

// sharePort is what to do where this machine's own DHCP server has port 67 alone.
const sharePort = "let it share the port (dnsmasq: bind-interfaces), or let it send machines here: option 60 with the text PXEClient"

// judge tells what others' answers mean for this server.
func judge(cfg *Config, heard []dhcp.Heard) (all []Finding) {
	var givers []string
	for _, h := range heard {
		own := h.Server == cfg.Addr
		if h.Gives.IsValid() && !(own && cfg.DHCP.Mode == Full) {
			givers = append(givers, h.Server.String())
		}
		ours := h.From == cfg.Addr
		switch {
		case h.Boot == "" || own:
		case cfg.DHCP.Mode != Off && !ours:
			all = append(all, Finding{true, fmt.Sprintf("%v tells machines to boot %s", h.Server, h.Boot), "it answers those that boot, and they take one answer or the other", "switch off network boot there: its boot file and next server"})
		}
	}
	who := strings.Join(givers, ", ")
	switch {
	case cfg.DHCP.Mode == Full && who != "":
		all = append(all, Finding{true, "another DHCP server gives out addresses: " + who, "it answered a DISCOVER on " + cfg.Interface, "switch it off, or leave the addresses to it: serve with --dhcp proxy"})
	case cfg.DHCP.Mode == Proxy && who == "":
		all = append(all, Finding{true, "no DHCP server gives out addresses on " + cfg.Interface, fmt.Sprintf("none answered within %v", listenTime), "give them out from here: --dhcp FIRST-LAST"})
	case cfg.DHCP.Mode == Off && !sendsHere(cfg, heard):
		all = append(all, Finding{true, "no DHCP server sends machines here", fmt.Sprintf("none that answered within %v has %v as next server", listenTime, cfg.Addr),
			fmt.Sprintf("set its next server to %v and its boot file to %s (BIOS) or %s (UEFI), or serve with --dhcp proxy", cfg.Addr, biosName, uefiName)})
	}
	return all
}

func sendsHere(cfg *Config, heard []dhcp.Heard) bool {
	for _, h := range heard {
		if h.From == cfg.Addr && h.Boot != "" {
			return true
		}
	}
	return false
}
