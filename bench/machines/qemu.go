package machines

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// ovmf is where Debian has the firmware.
const ovmf = "/usr/share/OVMF/"

// code and variables are the two parts of each UEFI firmware.
var (
	code = map[Firmware]string{UEFI: "OVMF_CODE_4M.fd", SecureBoot: "OVMF_CODE_4M.secboot.fd"}
	vars = map[Firmware]string{UEFI: "OVMF_VARS_4M.fd", SecureBoot: "OVMF_VARS_4M.ms.fd"}
)

const defaultMemory = 1024 // MiB

// Available tells whether machines can be made here: nil, or what is missing.
func Available() error {
	for program, pkg := range Tools() {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("program %s is missing (Debian package %s)", program, pkg)
		}
	}
	for _, file := range []string{code[UEFI], code[SecureBoot], vars[UEFI], vars[SecureBoot]} {
		if _, err := os.Stat(ovmf + file); err != nil {
			return fmt.Errorf("%w (Debian package ovmf)", err)
		}
	}
	return nil
}

// Tools lists the Debian packages that machines need, by a program of each.
func Tools() map[string]string { return map[string]string{"qemu-system-x86_64": "qemu-system-x86"} }

// variables gives a UEFI machine its store of variables, unless it has one.
func (m *Machine) variables() error {
	name, uefi := vars[m.Config.Firmware]
	if !uefi {
		return nil
	}
	to, err := os.OpenFile(m.store(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if os.IsExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	defer to.Close()
	from, err := os.Open(ovmf + name)
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(to, from)
	return err
}

func (m *Machine) store() string { return filepath.Join(m.folder, m.Config.Name+".vars") }

// arguments are QEMU's. File descriptor 3 is the monitor's.
func (m *Machine) arguments() []string {
	cfg := m.Config
	args := []string{
		"-name", cfg.Name, "-accel", "tcg,thread=multi", "-m", fmt.Sprint(cmp.Or(cfg.Memory, defaultMemory)),
		"-nodefaults", "-display", "none", "-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial",
		"-chardev", "socket,id=qmp,fd=3", "-mon", "chardev=qmp,mode=control", "-action", "reboot=shutdown",
		"-device", "virtio-rng-pci",
	}
	if cfg.UUID != "" {
		args = append(args, "-uuid", cfg.UUID)
	}
	if cfg.Kernel != "" {
		args = append(args, "-kernel", cfg.Kernel, "-initrd", cfg.Initrd, "-append", cfg.Append)
	}
	args = append(args, m.firmware()...)
	args = append(args, m.card(cfg)...)
	for i, d := range cfg.Disks {
		args = append(args, d.arguments(i, bootIndex(cfg.Boot, i))...)
	}
	return args
}

func (m *Machine) firmware() []string {
	args := []string{"-machine", "q35"} // with AHCI built in
	fw := m.Config.Firmware
	if fw == BIOS {
		return args
	}
	if fw == SecureBoot {
		args = []string{"-machine", "q35,smm=on", "-global", "driver=cfi.pflash01,property=secure,value=on"}
	}
	return append(args,
		"-drive", "if=pflash,format=raw,unit=0,readonly=on,file="+ovmf+code[fw],
		"-drive", "if=pflash,format=raw,unit=1,file="+m.store())
}

// card is the network card. On a UEFI machine it has no boot ROM: what QEMU has
// for UEFI is iPXE, which does not start Debian's shim; the firmware's own PXE
// does, and on real machines it is what does it.
func (m *Machine) card(cfg Config) []string {
	nic := cfg.NIC
	if nic == "" {
		nic = "virtio-net-pci"
	}
	if cfg.MAC != "" {
		nic += ",mac=" + cfg.MAC
	}
	if cfg.Boot != Local {
		nic += ",bootindex=0"
	}
	if cfg.Boot == Local || cfg.Firmware != BIOS {
		nic += ",romfile="
	}
	return []string{"-netdev", "tap,id=net,script=no,downscript=no,ifname=" + m.tap.Name(), "-device", nic + ",netdev=net"}
}

// bootIndex is the place of disk i in the order in which firmware tries.
func bootIndex(from From, i int) int {
	if from == Local {
		return i
	}
	return i + 1
}

// arguments attach the disk. What a machine flushed need not survive the power
// failure of the machine that it is emulated on.
func (d Disk) arguments(i, boot int) []string {
	id := fmt.Sprintf("disk%d", i)
	device := map[Bus]string{
		"": "virtio-blk-pci", Virtio: "virtio-blk-pci", SATA: fmt.Sprintf("ide-hd,bus=ide.%d", i), NVMe: "nvme",
		Stick: "usb-storage,removable=on,bus=" + id + "hub.0",
	}[d.Bus]
	args := []string{"-drive", fmt.Sprintf("if=none,id=%s,format=raw,cache=unsafe,discard=unmap,file=%s", id, d.Path)}
	if d.Bus == Stick {
		args = append(args, "-device", "qemu-xhci,id="+id+"hub")
	}
	serial := d.Serial
	if serial == "" && d.Bus == NVMe {
		serial = id // NVMe wants one
	}
	if serial != "" {
		device += ",serial=" + serial
	}
	return append(args, "-device", fmt.Sprintf("%s,drive=%s,bootindex=%d", device, id, boot))
}
