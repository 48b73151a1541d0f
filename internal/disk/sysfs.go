package disk

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// host is where the kernel tells about disks: /sys and /proc, or a test's copy.
type host struct{ sys, proc string }

func thisMachine() host { return host{"/sys", "/proc"} }

// devno is a block device's number.
type devno struct{ major, minor uint32 }

func devnoOf(rdev uint64) devno { return devno{unix.Major(rdev), unix.Minor(rdev)} }

func parseDevno(s string) (devno, bool) {
	a, b, ok := strings.Cut(strings.TrimSpace(s), ":")
	major, err1 := strconv.ParseUint(a, 10, 32)
	minor, err2 := strconv.ParseUint(b, 10, 32)
	return devno{uint32(major), uint32(minor)}, ok && err1 == nil && err2 == nil
}

func (d devno) String() string { return fmt.Sprintf("%d:%d", d.major, d.minor) }

// node is a block device's folder in sysfs.
type node struct {
	dir  string
	dev  devno
	name string // such as sda2
}

func (h host) node(d devno) (node, error) {
	return h.nodeAt(filepath.Join(h.sys, "dev/block", d.String()))
}

func (h host) nodeAt(path string) (node, error) {
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return node{}, fmt.Errorf("cannot tell who uses the disk: %w (is /sys mounted?)", err)
	}
	dev, ok := parseDevno(attribute(dir, "dev"))
	if !ok {
		return node{}, fmt.Errorf("cannot tell who uses the disk: %s/dev holds no device number", dir)
	}
	// The kernel writes '!' for a '/' in a device's name (cciss/c0d0).
	return node{dir, dev, strings.ReplaceAll(filepath.Base(dir), "!", "/")}, nil
}

func attribute(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(bytes.Trim(b, "\x00\n")))
}

func number(dir, name string) int64 {
	n, _ := strconv.ParseInt(attribute(dir, name), 10, 64)
	return n
}

func (n node) isPartition() bool {
	_, err := os.Stat(filepath.Join(n.dir, "partition"))
	return err == nil
}

// disk returns the whole disk that n is or is a part of.
func (n node) disk(h host) (node, error) {
	if !n.isPartition() {
		return n, nil
	}
	return h.nodeAt(filepath.Dir(n.dir))
}

// parts returns the partitions of n.
func (n node) parts(h host) []node {
	var parts []node
	matches, _ := filepath.Glob(filepath.Join(globQuote(n.dir), "*", "partition"))
	for _, m := range matches {
		if p, err := h.nodeAt(filepath.Dir(m)); err == nil {
			parts = append(parts, p)
		}
	}
	return parts
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `[`, `\[`, `*`, `\*`, `?`, `\?`).Replace(s)
}

// holders returns the devices built directly on n: device-mapper, md, bcache.
func (n node) holders(h host) []node {
	var out []node
	entries, _ := os.ReadDir(filepath.Join(n.dir, "holders"))
	for _, e := range entries {
		if p, err := h.nodeAt(filepath.Join(n.dir, "holders", e.Name())); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// title is the device's name, with the one its owner gave it where there is one.
func (n node) title() string {
	if t := attribute(n.dir, "dm/name"); t != "" {
		return fmt.Sprintf("%s (%s)", n.name, t)
	}
	return n.name
}

// describe fills in what sysfs knows of the device.
func (h host) describe(n node, info *Info) error {
	whole, err := n.disk(h)
	if err != nil {
		return err
	}
	info.Kind = WholeDisk
	if n.isPartition() {
		info.Kind = Partition
		info.Parent = "/dev/" + whole.name
	}
	info.Size = number(n.dir, "size") * 512 // always in 512-byte units, whatever the sector size
	info.LogicalSector = int(number(whole.dir, "queue/logical_block_size"))
	info.PhysicalSector = int(number(whole.dir, "queue/physical_block_size"))
	info.ReadOnly = number(n.dir, "ro") != 0
	info.Bus = bus(whole)
	info.Removable = number(whole.dir, "removable") != 0 || info.Bus == "usb"
	info.Model, info.Serial = model(whole.dir), serial(whole.dir)
	return nil
}

func model(dir string) string {
	vendor, model := attribute(dir, "device/vendor"), attribute(dir, "device/model")
	// ATA disks all have the vendor "ATA", virtio's and NVMe's is a PCI number.
	if vendor == "ATA" || strings.HasPrefix(vendor, "0x") {
		vendor = ""
	}
	if model == "" {
		model = attribute(dir, "device/name") // mmc
	}
	if file := attribute(dir, "loop/backing_file"); file != "" {
		model = "loop device on " + file
	}
	return strings.Join(strings.Fields(vendor+" "+model), " ")
}

func serial(dir string) string {
	for _, name := range []string{"device/serial", "serial"} {
		if s := attribute(dir, name); s != "" {
			return s
		}
	}
	// SCSI and ATA: vital product data page 0x80, text after a 4-byte header (SPC-5 7.7.18).
	if b, err := os.ReadFile(filepath.Join(dir, "device/vpd_pg80")); err == nil && len(b) > 4 {
		return strings.TrimSpace(strings.Trim(string(b[4:]), "\x00"))
	}
	return ""
}

func bus(n node) string {
	for _, c := range []struct{ in, bus string }{
		{"/usb", "usb"}, {"/nvme", "nvme"}, {"/mmc", "mmc"}, {"/virtio", "virtio"}, {"/ata", "ata"}, {"/host", "scsi"},
	} {
		if strings.Contains(n.dir, c.in) {
			return c.bus
		}
	}
	return ""
}
