package menu

import (
	"strings"
	"testing"

	"github.com/pxecast/pxecast/internal/disk"
)

// The disks of the tests, by what they are.
var (
	nvme    = disk.Info{Path: "/dev/nvme0n1", Device: "/dev/nvme0n1", Kind: disk.WholeDisk, Size: 500e9, Model: "Samsung SSD 980", Serial: "S649NL0T123456", Bus: "nvme", Contents: "GPT with 4 partitions"}
	sda     = disk.Info{Path: "/dev/sda", Device: "/dev/sda", Kind: disk.WholeDisk, Size: 1000e9, Model: "WDC WD10EZEX", Serial: "WD-1", Bus: "ata", Contents: "ext file system"}
	sdb     = disk.Info{Path: "/dev/sdb", Device: "/dev/sdb", Kind: disk.WholeDisk, Size: 1000e9, Model: "WDC WD10EZEX", Serial: "WD-2", Bus: "ata", Contents: "blank"}
	stick   = disk.Info{Path: "/dev/sdc", Device: "/dev/sdc", Kind: disk.WholeDisk, Size: 2000e9, Model: "SanDisk Ultra", Serial: "4C53", Bus: "usb", Removable: true, Contents: "fat file system"}
	usbDisk = disk.Info{Path: "/dev/sdd", Device: "/dev/sdd", Kind: disk.WholeDisk, Size: 2000e9, Serial: "USB-1", Bus: "usb"}
	card    = disk.Info{Path: "/dev/mmcblk1", Device: "/dev/mmcblk1", Kind: disk.WholeDisk, Size: 64e9, Bus: "mmc", Removable: true}
	emmc    = disk.Info{Path: "/dev/mmcblk0", Device: "/dev/mmcblk0", Kind: disk.WholeDisk, Size: 64e9, Bus: "mmc"}
	tiny    = disk.Info{Path: "/dev/vdb", Device: "/dev/vdb", Kind: disk.WholeDisk, Size: 1e9, Serial: "TINY", Bus: "virtio"}
	locked  = disk.Info{Path: "/dev/vdc", Device: "/dev/vdc", Kind: disk.WholeDisk, Size: 100e9, Serial: "LOCK", Bus: "virtio", ReadOnly: true}
	mounted = disk.Info{Path: "/dev/vdd", Device: "/dev/vdd", Kind: disk.WholeDisk, Size: 100e9, Serial: "MNT", Bus: "virtio", Mounts: []string{"/ (vdd1)"}}
	raid    = disk.Info{Path: "/dev/vde", Device: "/dev/vde", Kind: disk.WholeDisk, Size: 100e9, Bus: "virtio", Holders: []string{"md0"}}
)

func TestChoose(t *testing.T) {
	const size = 12e9
	for _, c := range []struct {
		policy string
		disks  []disk.Info
		medium string
		want   string // path, or a part of the refusal after "!"
	}{
		{"", []disk.Info{nvme}, "", "/dev/nvme0n1"},
		{"only", []disk.Info{nvme, stick}, "", "/dev/nvme0n1"},
		{"only", []disk.Info{nvme, tiny, locked, mounted, raid, card, usbDisk}, "", "/dev/nvme0n1"},
		{"only", []disk.Info{emmc, card}, "", "/dev/mmcblk0"},
		{"only", []disk.Info{nvme, sda}, "", `!2 disks could take the image, and the policy "only" takes none of several: /dev/nvme0n1 (500.0 GB), /dev/sda (1.0 TB)`},
		{"only", []disk.Info{stick}, "", "!no disk can take the image of 12.0 GB: /dev/sdc (2.0 TB, USB)"},
		{"only", []disk.Info{tiny}, "", "!/dev/vdb (1.0 GB, too small: the image needs 12.0 GB)"},
		{"only", []disk.Info{locked, mounted, raid, card}, "", "!/dev/vdc (100.0 GB, read-only), /dev/vdd (100.0 GB, mounted: / (vdd1)), /dev/vde (100.0 GB, in use by md0), /dev/mmcblk1 (64.0 GB, removable)"},
		{"only", nil, "", "!no disk that its drivers see"},
		{"only", []disk.Info{nvme, sda}, "/dev/sda", "/dev/nvme0n1"},
		{"only", []disk.Info{sda}, "/dev/sda", "!boot medium"},
		{"first", []disk.Info{stick, tiny, nvme, sda}, "", "/dev/nvme0n1"},
		{"largest", []disk.Info{stick, nvme, sda, sdb}, "", "/dev/sda"},
		{"smallest", []disk.Info{tiny, sda, nvme, sdb}, "", "/dev/nvme0n1"},
		{"largest", []disk.Info{stick, usbDisk}, "", "!USB"},
		{"/dev/sdc", []disk.Info{nvme, stick}, "", "/dev/sdc"}, // somebody named it
		{"serial:4c53", []disk.Info{nvme, stick}, "", "/dev/sdc"},
		{"serial:WD-2", []disk.Info{sda, sdb}, "", "/dev/sdb"},
		{"serial:WD-9", []disk.Info{sda, sdb}, "", "!no disk with the serial number WD-9: this machine has /dev/sda (1.0 TB, WD-1), /dev/sdb (1.0 TB, WD-2)"},
		{"serial:WD-1", []disk.Info{sda, sda}, "", "!2 disks with the serial number"},
		{"/dev/vdb", []disk.Info{tiny}, "", "!/dev/vdb, 1.0 GB, is too small: the image needs 12.0 GB"},
		{"/dev/vdd", []disk.Info{mounted}, "", "!is mounted: / (vdd1)"},
		{"/dev/vdc", []disk.Info{locked}, "", "!is read-only"},
		{"/dev/sdz", nil, "", "!no disk /dev/sdz: this machine has none"},
	} {
		p, err := ParsePolicy(c.policy)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Choose(p, c.disks, size, c.medium)
		refusal, refused := strings.CutPrefix(c.want, "!")
		switch {
		case refused && (err == nil || !strings.Contains(err.Error(), refusal)):
			t.Errorf("%q: %s, %v; want a refusal with %q", c.policy, got.Path, err, refusal)
		case !refused && (err != nil || got.Path != c.want):
			t.Errorf("%q: %s, %v; want %s", c.policy, got.Path, err, c.want)
		}
	}
}

// Whatever the disks, a rule that names none never takes one that may be
// somebody's stick, that is in use, or that is too small.
func TestChooseNeverTakesWhatItMustNot(t *testing.T) {
	all := []disk.Info{nvme, sda, stick, usbDisk, card, tiny, locked, mounted, raid}
	for set := range 1 << len(all) {
		var disks []disk.Info
		for i, d := range all {
			if set>>i&1 == 1 {
				disks = append(disks, d)
			}
		}
		for _, rule := range []string{"only", "first", "largest", "smallest"} {
			if d, err := Choose(Policy{Rule: rule}, disks, 12e9, "/dev/sda"); err == nil && d.Path != nvme.Path {
				t.Fatalf("%s of %s: took %s", rule, diskNames(disks), d.Path)
			}
		}
	}
}

func TestPoliciesThatAreNone(t *testing.T) {
	for _, s := range []string{"any", "serial:", "sda", "Only", "/dev"} {
		if p, err := ParsePolicy(s); err == nil && s != "/dev" {
			t.Errorf("%q is %+v", s, p)
		}
	}
}
