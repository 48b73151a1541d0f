package menu

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pxecast/pxecast/internal/catalog"
)

// Options are what the kernel command line says.
type Options struct {
	Server  string        // "address:port" of the boot server's HTTP service; "" nobody said
	MAC     string        // of the card that the machine booted from, lower case with colons; "" unknown
	Image   string        // name or beginning of the ID; "" not said
	Disk    string        // a disk policy; "" not said
	Confirm *bool         // whether a person is asked; nil not said
	After   catalog.After // "" not said
	Verify  *bool         // nil not said
	NoShell bool          // nobody gets a shell
	Trust   []string      // words for trust.ParseTrust
	Wrong   []string      // what can't be understood, in words: it is shown, and nothing runs unattended
}

// ParseOptions reads a kernel command line (/proc/cmdline). Words that are not
// for the menu are passed over; of a word that is there twice the last counts, as
// in the kernel.
func ParseOptions(line string) Options {
	var o Options
	bootif := ""
	for word := range strings.FieldsSeq(line) {
		key, value, _ := strings.Cut(word, "=")
		value = strings.Trim(value, `"`)
		ours, isOurs := strings.CutPrefix(key, "pxecast.")
		switch {
		case isOurs:
			if !o.set(ours, value) {
				o.Wrong = append(o.Wrong, word)
			}
		case key == "BOOTIF":
			bootif = value
		}
	}
	if o.MAC == "" && len(bootif) > 3 { // hardware type, then the address: 01-52-54-…
		o.MAC, _ = parseMAC(bootif[3:])
	}
	return o
}

// set takes pxecast.KEY=value and reports whether it makes sense.
func (o *Options) set(key, value string) (ok bool) {
	ok = true
	switch key {
	case "server":
		o.Server, ok = parseServer(value)
	case "mac":
		// An iPXE or GRUB that doesn't know its card leaves the variable as it is.
		o.MAC, _ = parseMAC(value)
	case "image":
		o.Image = value
	case "disk":
		_, err := ParsePolicy(value)
		o.Disk, ok = value, err == nil
	case "confirm":
		o.Confirm, ok = parseYes(value)
	case "after":
		o.After = catalog.After(value)
		ok = slices.Contains([]catalog.After{"", catalog.Reboot, catalog.PowerOff, catalog.Shell, catalog.Menu}, o.After)
	case "verify":
		o.Verify, ok = parseYes(value)
	case "shell":
		var yes *bool
		yes, ok = parseYes(value)
		o.NoShell = yes != nil && !*yes
	case "trust":
		o.Trust = append(o.Trust, value)
	}
	return ok // words of the ramdisk's init, such as keymap, too
}

func parseYes(s string) (*bool, bool) {
	yes := slices.Contains([]string{"yes", "1", "on", "true"}, strings.ToLower(s))
	if !yes && !slices.Contains([]string{"no", "0", "off", "false"}, strings.ToLower(s)) {
		return nil, false
	}
	return &yes, true
}

func parseMAC(s string) (string, bool) {
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 {
		return "", false
	}
	return m.String(), true
}

// parseServer reads an IPv4 address with or without a port.
func parseServer(s string) (string, bool) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, strconv.Itoa(catalog.Port)
	}
	a, err := netip.ParseAddr(host)
	n, errPort := strconv.ParseUint(port, 10, 16)
	if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || errPort != nil || n == 0 {
		return "", false
	}
	return net.JoinHostPort(a.String(), port), true
}

// Plan is what this machine does without being asked, from both who may say so.
type Plan struct {
	Image      string
	Disk       string // a disk policy; "" the person chooses, or only where there is none
	Unattended bool
	After      catalog.After
	Verify     bool
}

// plan fills in from a server's orders what the command line leaves out.
func (o *Options) plan(orders catalog.Orders) Plan {
	p := Plan{Image: orders.Image, Disk: orders.Disk, Unattended: orders.Unattended, After: orders.After, Verify: orders.Verify}
	if o.Image != "" {
		p.Image = o.Image
	}
	if o.Disk != "" {
		p.Disk = o.Disk
	}
	if o.Confirm != nil {
		p.Unattended = !*o.Confirm
	}
	if o.After != "" {
		p.After = o.After
	}
	if o.Verify != nil {
		p.Verify = *o.Verify
	}
	// Without an image there is nothing to do, and a slip may have meant anything.
	p.Unattended = p.Unattended && p.Image != "" && len(o.Wrong) == 0
	if o.NoShell && p.After == catalog.Shell {
		p.After = catalog.Menu
	}
	return p
}
