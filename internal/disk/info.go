package disk

import (
	"fmt"
	"strings"
)

// Kind is what a target is.
type Kind int

const (
	WholeDisk Kind = iota + 1 // a block device with nothing around it
	Partition                 // a block device that is a part of another
	File                      // an image file that exists
	NewFile                   // an image file still to be created
	Discard                   // keeps nothing
)

func (k Kind) String() string {
	switch k {
	case WholeDisk:
		return "disk"
	case Partition:
		return "partition"
	case File:
		return "image file"
	case NewFile:
		return "new image file"
	case Discard:
		return "discard"
	}
	return "unknown"
}

// Info describes a target. Fields that nobody could tell are zero.
type Info struct {
	Path           string   // as given
	Device         string   // path with symbolic links resolved: /dev/sda for /dev/disk/by-id/…
	Kind           Kind     //
	Parent         string   // of a partition: the disk it is on, such as /dev/sda
	Size           int64    // bytes
	LogicalSector  int      // bytes; 0 for files
	PhysicalSector int      // bytes; 0 for files
	Model          string   // vendor and model
	Serial         string   //
	Bus            string   // usb, nvme, virtio, mmc, ata or scsi
	Removable      bool     // removable medium, or attached by USB
	ReadOnly       bool     //
	Mounts         []string // where it or a part of it is mounted, such as "/home (sda2)" or "swap (sda3)"
	Holders        []string // what else is built on it: device-mapper, md, loop devices
	Contents       string   // what it holds now: "GPT with 3 partitions", "ext4 file system", "blank", "unknown data"

	id identity
}

// identity tells whether a path still means what was checked.
type identity struct{ dev, ino, rdev uint64 }

// String describes the target on one line, for a confirmation prompt.
func (i Info) String() string {
	var b strings.Builder
	b.WriteString(i.Path)
	if i.Device != "" && i.Device != i.Path {
		fmt.Fprintf(&b, " (%s)", i.Device)
	}
	fmt.Fprintf(&b, ": %s", i.Kind)
	if i.Parent != "" {
		fmt.Fprintf(&b, " of %s", i.Parent)
	}
	if i.Kind != NewFile && i.Kind != Discard {
		fmt.Fprintf(&b, ", %s", humanSize(i.Size))
	}
	add := func(format, s string) {
		if s != "" {
			fmt.Fprintf(&b, format, s)
		}
	}
	add(", %s", i.Model)
	add(", serial %s", i.Serial)
	add(", %s", i.Bus)
	if i.Removable {
		b.WriteString(", removable")
	}
	if i.ReadOnly {
		b.WriteString(", read-only")
	}
	add("; holds: %s", i.Contents)
	add("; mounted: %s", strings.Join(i.Mounts, ", "))
	add("; used by %s", strings.Join(i.Holders, ", "))
	return b.String()
}

// humanSize writes bytes as disk makers do, in powers of 1000.
func humanSize(n int64) string {
	if n < 10_000 {
		return fmt.Sprintf("%d bytes", n)
	}
	f, unit := float64(n), 0
	for f >= 999.95 && unit < 5 {
		f, unit = f/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", f, " kMGTP"[unit])
}
