package boot

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Entry is something that the boot loader's menu offers.
type Entry string

// What there is, in the menu's order.
const (
	Image    Entry = "image"    // boot the ramdisk
	Local    Entry = "local"    // boot from the machine's own disk
	Restart  Entry = "restart"  //
	PowerOff Entry = "poweroff" //
)

// Menu is the boot loader's menu: one definition, of which GRUB's for BIOS and UEFI
// and iPXE's are made.
type Menu struct {
	Default Entry         // that starts by itself; default Local: a PC left on network boot still starts
	Timeout time.Duration // until then, in whole seconds; 0 at once. Negative: never, somebody has to choose
	Serial  int           // baud of the first serial port, for menu and kernel; 0 none
	Args    []string      // more for the kernel's command line, "pxecast.keymap=de"
}

// entries are the entries with what people read.
var entries = []struct {
	entry Entry
	title string
}{
	{Image, "Image this machine (pxecast)"},
	{Local, "Boot from the local disk"},
	{Restart, "Restart"},
	{PowerOff, "Power off"},
}

// validate returns what is wrong with a menu.
func (m *Menu) validate() error {
	switch m.Default {
	case "", Image, Local, Restart, PowerOff:
	default:
		return fmt.Errorf("the boot menu has no entry %q: it is image, local, restart or poweroff", m.Default)
	}
	if m.Serial < 0 {
		return errors.New("the speed of the serial port is less than 0")
	}
	for _, a := range m.Args {
		if a == "" || strings.ContainsFunc(a, unsafe) {
			return fmt.Errorf("%q can't be on the kernel's command line: boot loaders read more in it than is there", a)
		}
	}
	return nil
}

// unsafe reports whether a character means something to a boot loader's script.
func unsafe(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("'\"\\$`{}();&|<>#", r)
}

// def is the entry that starts by itself.
func (m *Menu) def() Entry {
	if m.Default == "" {
		return Local
	}
	return m.Default
}

// seconds is the timeout; -1 for never.
func (m *Menu) seconds() int {
	if m.Timeout < 0 {
		return -1
	}
	return int((m.Timeout + time.Second - 1) / time.Second)
}

// args is the kernel's command line; mac is how the boot loader writes the address of
// the card that it booted from.
func (m *Menu) args(server netip.AddrPort, mac string) string {
	all := []string{"pxecast.server=" + server.String(), "pxecast.mac=" + mac}
	all = append(all, m.Args...)
	if m.Serial > 0 {
		all = append(all, fmt.Sprintf("console=ttyS0,%d", m.Serial))
	}
	return strings.Join(append(all, "console=tty0"), " ")
}
