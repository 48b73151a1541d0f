package boot

import (
	"fmt"
	"net/netip"
	"strings"
)

// ipxe writes iPXE's menu. It is of the commands that an iPXE of 2019 has.
func (m *Menu) ipxe(server netip.AddrPort) []byte {
	var b strings.Builder
	b.WriteString("#!ipxe\n")
	b.WriteString(":start\nmenu pxecast\n")
	for _, e := range entries {
		fmt.Fprintf(&b, "item %s %s\n", e.entry, e.title)
	}
	switch s := m.seconds(); {
	case s < 0:
		fmt.Fprintf(&b, "choose --default %s chosen || goto start\ngoto ${chosen}\n", m.def())
	case s == 0: // to choose a time of 0 means to wait for ever
		fmt.Fprintf(&b, "goto %s\n", m.def())
	default:
		fmt.Fprintf(&b, "choose --default %s --timeout %d chosen || goto start\ngoto ${chosen}\n", m.def(), s*1000)
	}
	base := "http://" + server.String() + "/"
	// The kernel takes the ramdisk by itself under BIOS; under UEFI it opens it by the
	// name that is on its command line.
	fmt.Fprintf(&b, ":%s\nkernel %s%s %s initrd=%s || goto failed\n", Image, base, kernelName, m.args(server, "${mac}"), initrdName)
	fmt.Fprintf(&b, "initrd %s%s || goto failed\nboot || goto failed\n", base, initrdName)
	// Ending is going back to the firmware, which goes on to its next device; under
	// UEFI only after an error (UEFI 2.10 §3.1.1).
	fmt.Fprintf(&b, ":%s\niseq ${platform} efi && exit 1 || sanboot --no-describe --drive 0x80 || exit\n", Local)
	fmt.Fprintf(&b, ":%s\nreboot\n:%s\npoweroff\n", Restart, PowerOff)
	b.WriteString(":failed\necho The ramdisk could not be loaded. Trying again in 10 seconds.\nsleep 10\ngoto start\n")
	return []byte(b.String())
}
