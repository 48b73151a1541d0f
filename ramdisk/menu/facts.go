package menu

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/pxecast/pxecast/internal/catalog"
	"github.com/pxecast/pxecast/internal/screen"
)

// secureBoot is the variable of UEFI 2.10, 3.3: one byte, 1 while only signed
// programs are started; Linux puts four bytes of attributes before it.
const secureBoot = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

// machineAt reads what a machine is from its /sys and /proc below root.
func machineAt(root string) catalog.Machine {
	dmi := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, "sys/class/dmi/id", name))
		if err != nil {
			return ""
		}
		return strings.TrimSpace(screen.Safe(string(b)))
	}
	m := catalog.Machine{
		UUID: strings.ToLower(dmi("product_uuid")), Vendor: dmi("sys_vendor"), Product: dmi("product_name"), Serial: dmi("product_serial"),
		Firmware: "bios", Memory: memory(root), CPUs: runtime.NumCPU(),
	}
	if _, err := os.Stat(filepath.Join(root, "sys/firmware/efi")); err == nil {
		m.Firmware = "uefi"
		if b, err := os.ReadFile(filepath.Join(root, secureBoot)); err == nil && len(b) == 5 && b[4] == 1 {
			m.Firmware = "uefi secure boot"
		}
	}
	m.Name, _ = os.Hostname()
	return m
}

// memory returns the bytes that the kernel has, 0 if it doesn't say.
func memory(root string) int64 {
	b, err := os.ReadFile(filepath.Join(root, "proc/meminfo"))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(b) {
		if f := bytes.Fields(line); len(f) >= 2 && string(f[0]) == "MemTotal:" {
			n, _ := strconv.ParseInt(string(f[1]), 10, 64)
			return n << 10
		}
	}
	return 0
}

// Network is what the ramdisk's init found out, or why it found nothing.
type Network struct {
	Interface string
	Address   string
	MAC       string
	Server    string // DHCP's next server
	Hostname  string
	Problem   string // why there is no network; "" if there is one
}

// networkAt reads run/pxecast/net and net.error below root. Both missing means
// that init is still at it.
func networkAt(root string) Network {
	if b, err := os.ReadFile(filepath.Join(root, "run/pxecast/net")); err == nil {
		n := parseNetwork(string(b))
		if n.MAC == "" && n.Interface != "" && !strings.Contains(n.Interface, "/") {
			mac, _ := os.ReadFile(filepath.Join(root, "sys/class/net", n.Interface, "address"))
			n.MAC, _ = parseMAC(strings.TrimSpace(string(mac)))
		}
		if n.Interface == "" {
			n.Problem = "the network was set up, and nobody says on which card"
		}
		return n
	}
	if b, err := os.ReadFile(filepath.Join(root, "run/pxecast/net.error")); err == nil {
		if text := strings.TrimSpace(screen.Safe(string(b))); text != "" {
			return Network{Problem: text}
		}
	}
	return Network{Problem: "waiting for the network"}
}

// parseNetwork reads lines of KEY=value, where a value may stand in quotes.
func parseNetwork(text string) (n Network) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = screen.Safe(strings.Trim(value, `"'`))
		switch key {
		case "INTERFACE":
			n.Interface = value
		case "ADDRESS":
			n.Address, _, _ = strings.Cut(value, "/")
		case "MAC":
			n.MAC, _ = parseMAC(value)
		case "SERVER":
			n.Server = value
		case "HOSTNAME":
			n.Hostname = value
		}
	}
	return n
}
