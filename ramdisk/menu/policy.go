package menu

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/screen"
)

// Policy says which disk is taken where nobody chooses.
type Policy struct {
	Rule string // "only", "largest", "smallest", "first", "path" or "serial"
	Arg  string // the path or the serial number
}

// DefaultPolicy is for unattended runs that name none: never a guess.
var DefaultPolicy = Policy{Rule: "only"}

// ParsePolicy reads a disk policy: "/dev/…", "serial:…", "only", "largest",
// "smallest" or "first"; "" is DefaultPolicy.
func ParsePolicy(s string) (Policy, error) {
	serial, isSerial := strings.CutPrefix(s, "serial:")
	switch {
	case s == "":
		return DefaultPolicy, nil
	case strings.HasPrefix(s, "/"):
		return Policy{"path", s}, nil
	case isSerial && serial != "":
		return Policy{"serial", serial}, nil
	case slices.Contains([]string{"only", "largest", "smallest", "first"}, s):
		return Policy{Rule: s}, nil
	}
	return Policy{}, fmt.Errorf("disk policy %q: it is a path such as /dev/sda, serial:NUMBER, only, largest, smallest or first", s)
}

// unfit tells why a disk can't take an image of size bytes; "" means that it can.
func unfit(d *disk.Info, size int64) string {
	switch {
	case len(d.Mounts) > 0:
		return "mounted: " + screen.Safe(strings.Join(d.Mounts, ", "))
	case len(d.Holders) > 0:
		return "in use by " + screen.Safe(strings.Join(d.Holders, ", "))
	case d.ReadOnly:
		return "read-only"
	case d.Size < size:
		return fmt.Sprintf("too small: the image needs %s", screen.Bytes(size))
	}
	return ""
}

// aside tells why a disk is taken only by who names it; "" if it is a fixed disk.
func aside(d *disk.Info, bootMedium string) string {
	switch {
	case bootMedium != "" && (d.Device == bootMedium || d.Path == bootMedium):
		return "boot medium"
	case d.Bus == "usb":
		return "USB"
	case d.Removable:
		return "removable"
	}
	return ""
}

// Choose picks the disk for an image of size bytes, out of disks in the kernel's
// order. Removable and USB disks and the boot medium (its path, "" for none) are
// taken only when they are named. The error says in words why none is taken.
func Choose(p Policy, disks []disk.Info, size int64, bootMedium string) (disk.Info, error) {
	if p.Rule == "path" || p.Rule == "serial" {
		return named(p, disks, size)
	}
	var fit []disk.Info
	var not []string
	for i := range disks {
		d := &disks[i]
		why := cmp.Or(aside(d, bootMedium), unfit(d, size))
		if why == "" {
			fit = append(fit, *d)
		} else {
			not = append(not, fmt.Sprintf("%s (%s, %s)", d.Path, screen.Bytes(d.Size), why))
		}
	}
	bySize := func(a, b disk.Info) int { return cmp.Compare(a.Size, b.Size) }
	switch {
	case len(disks) == 0:
		return disk.Info{}, fmt.Errorf("this machine has no disk that its drivers see")
	case len(fit) == 0:
		return disk.Info{}, fmt.Errorf("no disk can take the image of %s: %s", screen.Bytes(size), strings.Join(not, ", "))
	case p.Rule == "largest":
		// Of equals the kernel's first.
		return slices.MaxFunc(fit, bySize), nil
	case p.Rule == "smallest":
		return slices.MinFunc(fit, bySize), nil
	case p.Rule == "only" && len(fit) > 1:
		var names []string
		for _, d := range fit {
			names = append(names, fmt.Sprintf("%s (%s)", d.Path, screen.Bytes(d.Size)))
		}
		return disk.Info{}, fmt.Errorf("%d disks could take the image, and the policy \"only\" takes none of several: %s", len(fit), strings.Join(names, ", "))
	}
	return fit[0], nil
}

// named finds the disk that a policy names. It may be removable: somebody meant
// it. It may not be one that can't be written.
func named(p Policy, disks []disk.Info, size int64) (disk.Info, error) {
	var found []disk.Info
	for _, d := range disks {
		if p.Rule == "path" && (d.Path == p.Arg || d.Device == p.Arg) || p.Rule == "serial" && strings.EqualFold(d.Serial, p.Arg) {
			found = append(found, d)
		}
	}
	what := p.Arg
	if p.Rule == "serial" {
		what = "with the serial number " + p.Arg
	}
	switch {
	case len(found) == 0:
		return disk.Info{}, fmt.Errorf("no disk %s: this machine has %s", what, diskNames(disks))
	case len(found) > 1:
		return disk.Info{}, fmt.Errorf("%d disks %s: %s", len(found), what, diskNames(found))
	}
	if why := unfit(&found[0], size); why != "" {
		return disk.Info{}, fmt.Errorf("%s, %s, is %s", found[0].Path, screen.Bytes(found[0].Size), why)
	}
	return found[0], nil
}

func diskNames(disks []disk.Info) string {
	var names []string
	for _, d := range disks {
		s := fmt.Sprintf("%s (%s", d.Path, screen.Bytes(d.Size))
		if d.Serial != "" {
			s += ", " + screen.Safe(d.Serial)
		}
		names = append(names, s+")")
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
