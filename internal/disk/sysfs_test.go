package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeHost makes a sysfs of "path: contents" lines; a path ending in "->" makes
// a symbolic link relative to the root. Numbers in dev/block come by themselves.
func fakeHost(t *testing.T, lines string) host {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	h := host{filepath.Join(root, "sys"), filepath.Join(root, "proc")}
	put := func(path, contents string) {
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(contents), 0o644))
	}
	link := func(path, to string) {
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.Symlink(filepath.Join(root, to), path))
	}
	put("proc/self/mountinfo", "")
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		path, contents, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if p, ok := strings.CutSuffix(path, "->"); ok {
			link(p, contents)
			continue
		}
		put(path, contents+"\n")
		if filepath.Base(path) == "dev" {
			link("sys/dev/block/"+contents, filepath.Dir(path))
		}
	}
	return h
}

const laptop = `
	sys/devices/pci0/ata1/host0/block/sda/dev: 8:0
	sys/devices/pci0/ata1/host0/block/sda/size: 500118192
	sys/devices/pci0/ata1/host0/block/sda/removable: 0
	sys/devices/pci0/ata1/host0/block/sda/ro: 0
	sys/devices/pci0/ata1/host0/block/sda/queue/logical_block_size: 512
	sys/devices/pci0/ata1/host0/block/sda/queue/physical_block_size: 4096
	sys/devices/pci0/ata1/host0/block/sda/device/vendor: ATA
	sys/devices/pci0/ata1/host0/block/sda/device/model: Samsung SSD 860
	sys/devices/pci0/ata1/host0/block/sda/device/vpd_pg80: 0123S3Z9NB0K
	sys/devices/pci0/ata1/host0/block/sda/sda1/dev: 8:1
	sys/devices/pci0/ata1/host0/block/sda/sda1/partition: 1
	sys/devices/pci0/ata1/host0/block/sda/sda1/size: 2048
	sys/devices/pci0/ata1/host0/block/sda/sda2/dev: 8:2
	sys/devices/pci0/ata1/host0/block/sda/sda2/partition: 2
	sys/devices/pci0/ata1/host0/block/sda/sda2/size: 400000000
	sys/devices/pci0/ata1/host0/block/sda/sda2/holders/dm-0->: sys/devices/virtual/block/dm-0
	sys/devices/virtual/block/dm-0/dev: 253:0
	sys/devices/virtual/block/dm-0/size: 400000000
	sys/devices/virtual/block/dm-0/dm/name: vg-root
	sys/devices/virtual/block/dm-0/holders/dm-1->: sys/devices/virtual/block/dm-1
	sys/devices/virtual/block/dm-1/dev: 253:1
	sys/devices/virtual/block/dm-1/size: 400000000
	sys/devices/pci0/usb1/host5/block/sdb/dev: 8:16
	sys/devices/pci0/usb1/host5/block/sdb/size: 60000000
	sys/devices/pci0/nvme/nvme0/nvme0n1/dev: 259:0
	sys/devices/pci0/nvme/nvme0/nvme0n1/size: 1000
	sys/devices/pci0/nvme/nvme0/nvme0n1/device/model: WD Black
	sys/devices/pci0/nvme/nvme0/nvme0n1/device/serial: 21A
	sys/devices/pci0/nvme/nvme0/nvme0c0n1/dev: 259:9
	sys/devices/pci0/nvme/nvme0/nvme0c0n1/size: 1000
	sys/devices/pci0/nvme/nvme0/nvme0c0n1/hidden: 1
	sys/devices/virtual/block/loop0/dev: 7:0
	sys/devices/virtual/block/loop0/size: 1000
	sys/devices/pci0/ata2/block/sr0/dev: 11:0
	sys/devices/pci0/ata2/block/sr0/size: 1000
	sys/devices/pci0/ata2/block/sdc/dev: 8:32
	sys/devices/pci0/ata2/block/sdc/size: 0
	sys/block/sda->: sys/devices/pci0/ata1/host0/block/sda
	sys/block/sdb->: sys/devices/pci0/usb1/host5/block/sdb
	sys/block/sdc->: sys/devices/pci0/ata2/block/sdc
	sys/block/sr0->: sys/devices/pci0/ata2/block/sr0
	sys/block/dm-0->: sys/devices/virtual/block/dm-0
	sys/block/dm-1->: sys/devices/virtual/block/dm-1
	sys/block/loop0->: sys/devices/virtual/block/loop0
	sys/block/nvme0n1->: sys/devices/pci0/nvme/nvme0/nvme0n1
	sys/block/nvme0c0n1->: sys/devices/pci0/nvme/nvme0/nvme0c0n1
	proc/self/mountinfo: 28 1 253:1 / / rw,relatime shared:1 - ext4 /dev/mapper/vg-root rw
	`

func TestListLeavesOutWhatIsNoDisk(t *testing.T) {
	disks, err := fakeHost(t, laptop).list()
	must(t, err)
	var got []string
	for _, d := range disks {
		got = append(got, fmt.Sprintf("%s %d %s/%s %s removable=%v", d.Path, d.Size, d.Model, d.Serial, d.Bus, d.Removable))
	}
	want := []string{
		"/dev/nvme0n1 512000 WD Black/21A nvme removable=false",
		"/dev/sda 256060514304 Samsung SSD 860/S3Z9NB0K ata removable=false",
		"/dev/sdb 30720000000 / usb removable=true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The system is on a volume on a volume on a partition of the disk.
func TestMountedThroughHolders(t *testing.T) {
	h := fakeHost(t, laptop)
	for dev, want := range map[devno][2]string{
		{8, 0}:   {"/ (dm-1)", "dm-0 (vg-root), dm-1"},
		{8, 2}:   {"/ (dm-1)", "dm-0 (vg-root), dm-1"},
		{253, 0}: {"/ (dm-1)", "dm-1"},
		{253, 1}: {"/", ""},
		{8, 1}:   {"", ""}, // a neighbour
		{8, 16}:  {"", ""},
	} {
		n, err := h.node(dev)
		must(t, err)
		var info Info
		must(t, h.uses(n, &info))
		if got := [2]string{strings.Join(info.Mounts, ", "), strings.Join(info.Holders, ", ")}; got != want {
			t.Errorf("%s: mounts and holders %q, want %q", n.name, got, want)
		}
	}
}

func TestWithoutSysfsNothingIsAllowed(t *testing.T) {
	h := host{"/nowhere", "/proc"}
	if _, err := h.inspectDevice(Info{Path: "/dev/sdx"}); err == nil {
		t.Error("a device passed although nobody could tell who uses it")
	}
}

func TestMountinfo(t *testing.T) {
	const line = `36 35 0:33 /sub /mnt/a\040b rw,noatime shared:1 master:2 - btrfs /dev/sd\134a rw`
	dev, source, where, ok := parseMount(line)
	if !ok || dev != (devno{0, 33}) || source != `/dev/sd\a` || where != "/mnt/a b" {
		t.Errorf("got %v %q %q %v", dev, source, where, ok)
	}
	for _, bad := range []string{"", "a", " - ", "1 2 3 4 5 6 - ", "36 35 x:1 / / rw - ext4 /dev/sda rw"} {
		if _, _, _, ok := parseMount(bad); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestContents(t *testing.T) {
	disk := func(set map[int]string) *strings.Reader {
		b := make([]byte, 200<<10)
		for at, s := range set {
			copy(b[at:], s)
		}
		return strings.NewReader(string(b))
	}
	// A header with entries at LBA 2, 128 of 128 bytes.
	header := "EFI PART" + strings.Repeat("\x00", 64) + "\x02\x00\x00\x00\x00\x00\x00\x00" + "\x80\x00\x00\x00" + "\x80\x00\x00\x00"
	for want, r := range map[string]*strings.Reader{
		"blank":                                disk(nil),
		"unknown data":                         disk(map[int]string{77: "x"}),
		"GPT with 2 partitions":                disk(map[int]string{510: "\x55\xaa", 512: header, 1024: "type", 1152: "type"}),
		"GPT with 1 partition":                 disk(map[int]string{4096: header, 8192: "type"}),
		"GPT with 0 partitions":                disk(map[int]string{512: "EFI PART" + strings.Repeat("\xff", 100)}),
		"MBR partition table with 1 partition": disk(map[int]string{446: "\x80\x00\x00\x00\x83", 510: "\x55\xaa"}),
		"btrfs file system":                    disk(map[int]string{0x10040: "_BHRfS_M"}),
		"encrypted volume (LUKS)":              disk(map[int]string{0: "LUKS\xba\xbe"}),
	} {
		if got := contents(r, 512); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := contents(strings.NewReader(""), 512); got != "blank" {
		t.Errorf("an empty file holds %q", got)
	}
}

func TestInfoReadsAsASentence(t *testing.T) {
	info := Info{
		Path: "/dev/disk/by-id/x", Device: "/dev/sdb", Kind: WholeDisk, Size: 256060514304, Model: "Samsung SSD 860",
		Serial: "S3Z", Bus: "usb", Removable: true, Contents: "GPT with 3 partitions", Mounts: []string{"/home (sdb3)"},
	}
	const want = "/dev/disk/by-id/x (/dev/sdb): disk, 256.1 GB, Samsung SSD 860, serial S3Z, usb, removable; holds: GPT with 3 partitions; mounted: /home (sdb3)"
	if got := info.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for n, want := range map[int64]string{0: "0 bytes", 9999: "9999 bytes", 10_000: "10.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 2e12: "2.0 TB", 1 << 62: "4611.7 PB"} {
		if got := humanSize(n); got != want {
			t.Errorf("humanSize(%d) = %s, want %s", n, got, want)
		}
	}
}
