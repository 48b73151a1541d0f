package ramdisk

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// wanted names the modules of the ramdisk by where they are in the kernel's
// tree. What they need of other modules follows by itself.
var wanted = []string{
	// wired network cards, what is inside and beside them, and those on USB
	`drivers/net/ethernet/`, `drivers/net/usb/`, `drivers/net/phy/`, `drivers/net/mdio/`, `drivers/net/pcs/`,
	`drivers/net/(mii|mdio|sungem_phy|virtio_net|net_failover|xen-netfront)\.`, `drivers/net/(vmxnet3|hyperv)/`,
	// disks and their controllers
	`drivers/nvme/host/nvme`, `drivers/pci/controller/vmd\.`, `drivers/ata/`, `drivers/scsi/`, `drivers/message/fusion/`,
	`drivers/block/(virtio_blk|xen-blkfront|loop)\.`, `drivers/block/mtip32xx/`,
	`drivers/mmc/`, `drivers/misc/cardreader/`, `drivers/usb/storage/`,
	// what they sit on
	`drivers/virtio/virtio_(mmio|pci.*|input)?\.`, `drivers/usb/host/`, `drivers/usb/(core|common)/`, `drivers/hv/`,
	// keyboards
	`drivers/hid/(hid|hid-generic)\.`, `drivers/hid/usbhid/usbhid\.`, `drivers/hid/hid-hyperv\.`, `drivers/input/serio/hyperv-keyboard\.`, `drivers/input/keyboard/atkbd\.`,
	`drivers/hid/hid-(apple|belkin|cherry|chicony|corsair|cypress|ezkey|gembird|holtek-kbd|ite|kensington|lenovo|logitech|logitech-dj|logitech-hidpp|microsoft|monterey|redragon|semitek|sunplus|topseed)\.`,
	// file systems that scripts mount
	`fs/(ext4|fat|xfs|btrfs|ntfs3|efivarfs)/`, `fs/nls/nls_(ascii|cp437|cp850|iso8859-1|iso8859-15|utf8)\.`,
	`(crypto|lib|arch/x86/crypto)/.*crc32c`, `crypto/(crc32c_generic|xxhash_generic|blake2b_generic|sha256_generic)\.`,
}

// unwanted are those among them that no classroom's machine starts from:
// storage beyond a network (Fibre Channel, iSCSI, FCoE, NVMe over fabrics),
// test drivers, modems, cards of the PCMCIA slot, and other processors' USB.
var unwanted = []string{
	`drivers/scsi/(lpfc|qla2xxx|qla4xxx|bfa|fnic|elx|csiostor|libfc|fcoe|qedf|qedi|bnx2fc|bnx2i|cxgbi|be2iscsi|device_handler|pcmcia|ufs)/`,
	`drivers/scsi/(scsi_debug|scsi_transport_fc|scsi_transport_srp|libiscsi|libiscsi_tcp|iscsi_tcp|iscsi_boot_sysfs|scsi_transport_iscsi|sr_mod|st|ch|osst|ppa|imm)\.`,
	`drivers/message/fusion/(mptfc|mptlan|mptctl)\.`, `drivers/nvme/host/nvme-(fabrics|fc|rdma|tcp)\.`,
	`drivers/net/usb/(hso|qmi_wwan|cdc-phonet|cdc_mbim|huawei_cdc_ncm|sierra_net|cdc_eem_dummy|kalmia|lg-vl600)\.`,
	`drivers/net/ethernet/.*_cs\.`, `drivers/ata/pata_pcmcia\.`, `drivers/usb/host/(sl811_cs|bcma-hcd|ssb-hcd|fotg210.*|isp116x-hcd|oxu210hp-hcd|r8a66597-hcd|sl811-hcd)\.`,
	`drivers/mmc/host/(sdricoh_cs|mmc_spi|of_mmc_spi)\.`, `drivers/net/ethernet/mellanox/mlxsw/`, `drivers/net/ethernet/intel/ice/.*dpll`,
}

var (
	wantedModules   = regexp.MustCompile(`^kernel/(` + strings.Join(wanted, "|") + `)`)
	unwantedModules = regexp.MustCompile(`^kernel/(` + strings.Join(unwanted, "|") + `)`)
)

// selectModules returns which modules go into the ramdisk, sorted: those wanted,
// and what they need. deps is what modules.dep says: a module's path, and the
// paths of all that it needs.
func selectModules(deps map[string][]string) []string {
	chosen := make(map[string]bool)
	for path, needs := range deps {
		if !wantedModules.MatchString(path) || unwantedModules.MatchString(path) {
			continue
		}
		chosen[path] = true
		for _, n := range needs {
			chosen[n] = true
		}
	}
	list := make([]string, 0, len(chosen))
	for path := range chosen {
		list = append(list, path)
	}
	slices.Sort(list)
	return list
}

// parseModulesDep reads modules.dep: "path: path path…" a line. Every line names
// all that a module needs, not only the next.
func parseModulesDep(text string) map[string][]string {
	deps := make(map[string][]string)
	for line := range strings.Lines(text) {
		if path, needs, ok := strings.Cut(line, ":"); ok {
			deps[path] = strings.Fields(needs)
		}
	}
	return deps
}

// hardened returns modules.dep with the soft dependencies that have to be loaded
// first (`softdep r8169 pre: realtek` in modules.softdep) made dependencies:
// busybox's modprobe knows no others. What is not a module of ours, but a name
// that the kernel asks for by itself when it needs it, is left out.
func hardened(deps, soft string) []byte {
	paths := make(map[string]string) // by the module's name
	needs := parseModulesDep(deps)
	for p := range needs {
		paths[moduleName(p)] = p
	}
	for line := range strings.Lines(soft) {
		words := strings.Fields(line)
		if len(words) < 4 || words[0] != "softdep" || words[2] != "pre:" {
			continue
		}
		of, ok := paths[moduleName(words[1])]
		if !ok {
			continue
		}
		for _, name := range words[3:] {
			first, ok := paths[moduleName(name)]
			if !ok || first == of || slices.Contains(needs[of], first) || slices.Contains(needs[first], of) {
				continue
			}
			needs[of] = append(append(needs[of], first), needs[first]...) // the last is loaded first
		}
	}
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(needs)) {
		fmt.Fprintln(&b, strings.TrimSpace(p+": "+strings.Join(needs[p], " ")))
	}
	return []byte(b.String())
}

// moduleName returns the name by which the kernel knows a module's file.
func moduleName(p string) string {
	name, _, _ := strings.Cut(path.Base(p), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// spareFirmware is what cards do without: theirs is in the card itself and the
// file would only renew it (Chelsio T4 to T6, QLogic's and NetXen's NX3031), or
// is taken only where the newer one, which is there, is missing (Broadcom).
// Together it would be a tenth of the ramdisk.
var spareFirmware = regexp.MustCompile(`^(cxgb4/t[456]fw\.bin|phanfw\.bin|bnx2x/bnx2x-e(1|1h|2)-7\.13\.15\.0\.fw)$`)

// findFirmware returns which of the named files are among those there, and which
// are missing, both sorted. All are paths in the firmware folder; a name may be a
// pattern.
func findFirmware(there, names []string) (found, missing []string, err error) {
	for _, name := range names {
		before := len(found)
		for _, p := range there {
			ok, err := path.Match(name, p)
			if err != nil {
				return nil, nil, fmt.Errorf("a module asks for the firmware %q: %w", name, err)
			}
			if ok {
				found = append(found, p)
			}
		}
		if len(found) == before {
			missing = append(missing, name)
		}
	}
	slices.Sort(found)
	slices.Sort(missing)
	return slices.Compact(found), slices.Compact(missing), nil
}
