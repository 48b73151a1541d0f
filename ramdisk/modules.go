package ramdisk

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
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

// firmwareOf returns the firmware files that a module's file says it may ask for
// (`modinfo -F firmware`).
func firmwareOf(path string) ([]string, error) {
	data, err := readModule(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, nil
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return parseModinfo(info), nil
}

func parseModinfo(info []byte) (names []string) {
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if name, ok := strings.CutPrefix(string(field), "firmware="); ok {
			names = append(names, name)
		}
	}
	return names
}

// readModule reads a module, compressed or not, as its name tells.
func readModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	switch filepath.Ext(path) {
	case ".xz":
		if r, err = xz.NewReader(f); err != nil {
			return nil, err
		}
	case ".zst":
		d, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		defer d.Close()
		r = d
	}
	return io.ReadAll(r)
}

// findFirmware returns which of the named files there are in the folder, and
// which are missing, both sorted. A name may be a pattern.
func findFirmware(folder string, names []string) (found, missing []string, err error) {
	for _, name := range names {
		if !fs.ValidPath(name) {
			return nil, nil, fmt.Errorf("a module asks for the firmware %q", name)
		}
		paths, err := filepath.Glob(filepath.Join(folder, name))
		if err != nil {
			return nil, nil, err
		}
		any := false
		for _, p := range paths {
			if _, err := os.Stat(p); errors.Is(err, fs.ErrNotExist) {
				continue // a link to what is in another package
			}
			rel, err := filepath.Rel(folder, p)
			if err != nil {
				return nil, nil, err
			}
			found, any = append(found, rel), true
		}
		if !any {
			missing = append(missing, name)
		}
	}
	slices.Sort(found)
	slices.Sort(missing)
	return slices.Compact(found), slices.Compact(missing), nil
}
