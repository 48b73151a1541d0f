package ramdisk

import (
	"slices"
	"strings"
	"testing"
)

const modulesDep = `kernel/drivers/net/ethernet/realtek/r8169.ko.xz: kernel/drivers/net/mdio/mdio_devres.ko.xz kernel/drivers/net/phy/libphy.ko.xz
kernel/drivers/net/mdio/mdio_devres.ko.xz: kernel/drivers/net/phy/libphy.ko.xz
kernel/drivers/net/phy/libphy.ko.xz:
kernel/drivers/net/phy/realtek.ko.xz: kernel/drivers/net/phy/libphy.ko.xz
kernel/drivers/usb/host/ehci-pci.ko.xz: kernel/drivers/usb/host/ehci-hcd.ko.xz kernel/drivers/usb/core/usbcore.ko.xz
kernel/drivers/usb/host/ehci-hcd.ko.xz: kernel/drivers/usb/core/usbcore.ko.xz
kernel/drivers/usb/host/uhci-hcd.ko.xz: kernel/drivers/usb/core/usbcore.ko.xz
kernel/drivers/usb/core/usbcore.ko.xz:
kernel/drivers/net/wireless/ath/ath9k/ath9k.ko.xz: kernel/net/mac80211/mac80211.ko.xz
kernel/drivers/scsi/scsi_debug.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/scsi/qla2xxx/qla2xxx.ko.xz: kernel/drivers/scsi/scsi_mod.ko.xz
kernel/drivers/scsi/scsi_mod.ko.xz:
kernel/drivers/nvme/host/nvme.ko.xz: kernel/drivers/nvme/host/nvme-core.ko.xz
kernel/drivers/nvme/host/nvme-core.ko.xz:
kernel/drivers/nvme/host/nvme-tcp.ko.xz: kernel/drivers/nvme/host/nvme-core.ko.xz
kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz
kernel/lib/crc16.ko.xz:
kernel/sound/core/snd.ko.xz:
`

func TestModulesAreTheWantedAndWhatTheyNeed(t *testing.T) {
	got := selectModules(parseModulesDep(modulesDep))
	var names []string
	for _, m := range got {
		names = append(names, moduleName(m))
	}
	slices.Sort(names)
	want := "crc16 ehci_hcd ehci_pci ext4 libphy mdio_devres nvme nvme_core r8169 realtek scsi_mod uhci_hcd usbcore"
	if strings.Join(names, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(names, " "), want)
	}
}

// Every kind of hardware that a machine may start from has its driver.
func TestWantedHardware(t *testing.T) {
	for _, m := range []string{
		"drivers/net/ethernet/intel/e1000e/e1000e", "drivers/net/ethernet/realtek/8139too", "drivers/net/usb/r8152", "drivers/net/usb/ax88179_178a",
		"drivers/net/virtio_net", "drivers/net/vmxnet3/vmxnet3", "drivers/net/phy/realtek", "drivers/ata/ahci", "drivers/ata/ata_piix",
		"drivers/nvme/host/nvme", "drivers/scsi/sd_mod", "drivers/scsi/mpt3sas/mpt3sas", "drivers/scsi/megaraid/megaraid_sas", "drivers/scsi/virtio_scsi",
		"drivers/message/fusion/mptspi", "drivers/usb/storage/usb-storage", "drivers/usb/storage/uas", "drivers/usb/host/xhci-pci", "drivers/mmc/host/sdhci-pci",
		"drivers/mmc/core/mmc_block", "drivers/block/virtio_blk", "drivers/virtio/virtio_pci", "drivers/virtio/virtio_mmio", "drivers/pci/controller/vmd",
		"drivers/hid/usbhid/usbhid", "drivers/hid/hid-generic", "fs/ext4/ext4", "fs/fat/vfat", "fs/nls/nls_cp437", "fs/xfs/xfs", "fs/btrfs/btrfs", "fs/ntfs3/ntfs3",
		"fs/efivarfs/efivarfs", "drivers/misc/cardreader/rtsx_pci", "drivers/hv/hv_vmbus",
	} {
		path := "kernel/" + m + ".ko.xz"
		if len(selectModules(map[string][]string{path: nil})) != 1 {
			t.Errorf("%s is left out", m)
		}
	}
}

// busybox loads what stands last first: realtek before r8169, and what realtek
// needs before that.
func TestSoftDependenciesBecomeHard(t *testing.T) {
	const soft = "# Soft dependencies extracted from modules themselves.\nsoftdep r8169 pre: realtek\nsoftdep uhci_hcd pre: ehci_pci\n" +
		"softdep ext4 pre: crypto-crc32c\nsoftdep snd post: x\nsoftdep unknown pre: r8169\n"
	got := parseModulesDep(string(hardened(modulesDep, soft)))
	before := parseModulesDep(modulesDep)
	r8169, uhci := "kernel/drivers/net/ethernet/realtek/r8169.ko.xz", "kernel/drivers/usb/host/uhci-hcd.ko.xz"
	for module, more := range map[string][]string{
		r8169: {"kernel/drivers/net/phy/realtek.ko.xz", "kernel/drivers/net/phy/libphy.ko.xz"},
		uhci:  {"kernel/drivers/usb/host/ehci-pci.ko.xz", "kernel/drivers/usb/host/ehci-hcd.ko.xz", "kernel/drivers/usb/core/usbcore.ko.xz"},
	} {
		if want := append(slices.Clone(before[module]), more...); !slices.Equal(got[module], want) {
			t.Errorf("%s needs %q, want %q", module, got[module], want)
		}
		delete(before, module)
	}
	for module, want := range before {
		if !slices.Equal(got[module], want) {
			t.Errorf("%s needs %q, want %q as before", module, got[module], want)
		}
	}
}

func TestFirmwareFound(t *testing.T) {
	there := []string{"a-1.bin", "a-2.bin", "b.bin", "rtl_nic/rtl8168g-2.fw", "rtl_nic/rtl8168g-3.fw"}
	found, missing, err := findFirmware(there, []string{"rtl_nic/rtl8168g-2.fw", "a-*.bin", "gone.bin", "rtl_nic/rtl8168g-2.fw", "../../etc/shadow"})
	if err != nil || !slices.Equal(found, []string{"a-1.bin", "a-2.bin", "rtl_nic/rtl8168g-2.fw"}) || !slices.Equal(missing, []string{"../../etc/shadow", "gone.bin"}) {
		t.Errorf("found %q, missing %q, %v", found, missing, err)
	}
	if _, _, err := findFirmware(there, []string{"[a"}); err == nil {
		t.Error("a broken pattern is taken")
	}
}
