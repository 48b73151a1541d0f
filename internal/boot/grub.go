package boot

import (
	"fmt"
	"net/netip"
	"strings"
)

// Names of what is made up, and of what is in the boot folder's tree.
const (
	grubName    = "grub/grub.cfg"
	grubMachine = "grub/machine/" // and a MAC address: the menu of that machine
	ipxeName    = "boot.ipxe"
	kernelName  = "vmlinuz"
	initrdName  = "initrd.img"
	biosName    = "core.0"
	uefiName    = "shimx64.efi"
	grubEFIName = "grubx64.efi"
)

// grubStart is what GRUB reads first. It asks for the menu of its machine: TFTP tells
// the server no more than an address, and GRUB knows the card's.
//
// Where GRUB didn't set the variable it is empty, and the name that of a folder, which
// is no file: then the menu for everybody follows.
const grubStart = `configfile $prefix/machine/$net_default_mac
configfile $prefix/machine/any
`

// anyMachine is the name of the menu of machines that are not known.
const anyMachine = "any"

// grubLocal starts the system on the disk under BIOS and UEFI.
//
// BIOS: the first disk that has a boot sector, as a disk that is half written has
// none; then what the BIOS has next in its order. That comes second because many a
// BIOS stops at an INT 18h instead of going on.
//
// UEFI: its boot manager goes on to the next entry only if the loader ends with an
// error (UEFI 2.10 §3.1.1), and GRUB ends with none, not even after `exit 1` (2.06 and
// 2.12 were tried): OVMF shows its setup then. So GRUB looks for the boot loader
// itself: those that systems install, Windows', and the one that is on every disk that
// was made to be carried. It sees only disks that the firmware has connected, which
// one that starts fast does for those in its boot order. The loader is told that it
// was loaded from GRUB's root, so that is set to its disk.
const grubLocal = `	if [ "$grub_platform" = pc ]; then
		insmod biosdisk
		for d in hd0 hd1 hd2 hd3; do
			set root=$d
			if chainloader +1; then boot; fi
		done
	else
		for f in (hd*,*)/EFI/*/shimx64.efi (hd*,*)/EFI/*/grubx64.efi (hd*,*)/EFI/Microsoft/Boot/bootmgfw.efi (hd*,*)/EFI/BOOT/BOOTX64.EFI; do
			if [ -f $f ]; then
				regexp --set=1:root '^\(([^)]*)\)' $f
				if chainloader $f; then boot; fi
			fi
		done
	fi
	echo 'No system found on the disks: back to the firmware.'
	sleep 3
	exit
`

// grub writes GRUB's menu. It uses only what is built into Debian's signed GRUB: with
// Secure Boot it loads no modules.
func (m *Menu) grub(server netip.AddrPort) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "set default=%s\nset timeout=%d\n", m.def(), m.seconds())
	if m.Serial > 0 {
		// Without a port the command fails. Under UEFI the firmware's console is on the
		// serial line where it is wanted, and everything would be there twice.
		fmt.Fprintf(&b, "if [ \"$grub_platform\" = pc ]; then\n"+
			"	if serial --unit=0 --speed=%d; then\n"+
			"		terminal_input console serial\n		terminal_output console serial\n	fi\nfi\n", m.Serial)
	}
	for _, e := range entries {
		fmt.Fprintf(&b, "menuentry '%s' --id %s {\n", e.title, e.entry)
		switch e.entry {
		case Image:
			fmt.Fprintf(&b, "	echo 'Loading the kernel ...'\n	linux /%s %s\n", kernelName, m.args(server, "$net_default_mac"))
			fmt.Fprintf(&b, "	echo 'Loading the ramdisk ...'\n	initrd /%s\n", initrdName)
		case Local:
			b.WriteString(grubLocal)
		case Restart:
			b.WriteString("	reboot\n")
		case PowerOff:
			b.WriteString("	halt\n")
		}
		b.WriteString("}\n")
	}
	return []byte(b.String())
}
