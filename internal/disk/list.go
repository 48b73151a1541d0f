package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// List returns the disks of this machine that could be targets: whole disks
// with a medium, in the kernel's order, also those in use (see Mounts and
// Holders). RAM disks, loop devices, optical drives, floppies and volumes built
// on other disks are left out.
func List() ([]Info, error) { return thisMachine().list() }

func (h host) list() ([]Info, error) {
	entries, err := os.ReadDir(filepath.Join(h.sys, "block"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("cannot list disks: no /sys/block: mount /sys first")
	}
	if err != nil {
		return nil, err
	}
	var disks []Info
	for _, e := range entries {
		n, err := h.nodeAt(filepath.Join(h.sys, "block", e.Name()))
		// A disk may go while we look. "hidden" ones are paths of a multipath NVMe disk.
		if err != nil || skipped(n.name) || number(n.dir, "size") == 0 || number(n.dir, "hidden") != 0 {
			continue
		}
		info, err := h.inspectDevice(Info{
			Path: "/dev/" + n.name, Device: "/dev/" + n.name,
			id: identity{rdev: unix.Mkdev(n.dev.major, n.dev.minor)},
		})
		if err == nil {
			disks = append(disks, info)
		}
	}
	return disks, nil
}

func skipped(name string) bool {
	for _, prefix := range []string{"ram", "loop", "zram", "sr", "fd", "dm-", "mtdblock"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	// An eMMC's boot and protected areas look like disks of their own.
	return strings.HasPrefix(name, "mmcblk") && (strings.Contains(name, "boot") || strings.Contains(name, "rpmb"))
}

// candidates is the end of an error that a misnamed target gets.
func (h host) candidates() string {
	disks, err := h.list()
	if err != nil || len(disks) == 0 {
		return ""
	}
	var names []string
	for _, d := range disks {
		s := d.Path + " " + humanSize(d.Size)
		if d.Model != "" {
			s += " " + d.Model
		}
		if len(d.Mounts)+len(d.Holders) > 0 {
			s += " (in use)"
		}
		names = append(names, s)
	}
	return ": this machine has " + strings.Join(names, ", ")
}
