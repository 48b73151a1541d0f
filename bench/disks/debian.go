package disks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/pxecast/pxecast/internal/debian"
)

// Tools lists the Debian packages that making images needs, by a program of
// each.
func Tools() map[string]string {
	return map[string]string{
		"mmdebstrap": "mmdebstrap", "sgdisk": "gdisk", "mkfs.fat": "dosfstools",
		"mcopy": "mtools", "mke2fs": "e2fsprogs", "gzip": "gzip",
	}
}

// recipe is the version of what Debian makes: a new one makes a new image.
const recipe = 2

// The disk's layout. The partition starts are where every partitioning tool of
// today puts them, at 1 MiB, one after the other; what boots by BIOS lies in the
// gap between the GPT and the first of them.
const (
	mib      = 1 << 20
	biosFrom = 34 * sector
	biosSize = efiStart - biosFrom
	efiStart = 1 * mib
	efiSize  = 64 * mib // FAT32 needs 32 MiB and more
	gptSpare = 1 * mib  // at the end, for the second GPT
	rootFrom = efiStart + efiSize
)

// A form is a size of disk and what is on it, so that about half is in use.
type form struct {
	name     string // in the cache: debian-CODENAME-name
	size     int64  // bytes
	packages []string
	lean     bool // without what a login prompt does not need: see lean.go
}

// What boots the disk, and what people have on theirs.
var (
	boots = []string{
		"linux-image-amd64", "initramfs-tools", "zstd", "systemd-sysv", "udev",
		"grub-efi-amd64-signed", "shim-signed", "grub-pc-bin",
	}
	full = form{name: fmt.Sprintf("v%d", recipe), size: 2048 * mib, packages: append(slices.Clone(boots),
		"openssh-server", "git", "vim", "python3", "gcc", "man-db", "less", "sudo")}
	small = form{name: fmt.Sprintf("small-v%d", recipe), size: 1024 * mib, packages: append(slices.Clone(boots), "less", "sudo")}
	lean  = form{name: fmt.Sprintf("lean-v%d", recipe), size: 640 * mib, packages: leanBoots, lean: true}
)

func (f form) rootSize() int64 { return f.size - rootFrom - gptSpare }

// Fixed identities: two builds of the same packages give nearly the same disk.
const (
	diskGUID = "7C9E6679-7425-40DE-944B-E07FC1F90AE7"
	efiGUID  = "0F8FAD5B-D9CB-469F-A165-70867728950E"
	biosGUID = "A4D1F6C3-95B8-4F0E-8B64-9C1D2E7F3A50"
	partGUID = "2B44A6B2-5D33-4B0A-9D1E-3E2C8A5F6D71"
	efiID    = "7EC0CA57"
	rootUUID = "6B29FC40-CA47-4067-B31D-00DD010662DA"
	epoch    = "1700000000"
)

// initramfs makes a small initial ramdisk in seconds, with the disks of QEMU and
// of ordinary machines; the default takes minutes on a slow machine and is made
// twice.
const initramfs = `mkdir -p "$1/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nCOMPRESS=zstd\nCOMPRESSLEVEL=1\n' > "$1/etc/initramfs-tools/conf.d/pxecast"
printf '%s\n' ext4 crc32c ahci ata_piix sd_mod nvme virtio_pci virtio_blk virtio_scsi uas usb_storage xhci_pci > "$1/etc/initramfs-tools/modules"`

// Debian returns the image of a real Debian disk of 2 GiB, about half of it in
// use: GPT, an EFI system partition with Debian's signed boot loader, and an
// ext4 root with kernel and ordinary packages. It boots by UEFI, with Secure
// Boot too, and by BIOS. It is made in the folder cache unless it is there, by mmdebstrap
// from the mirrors of the host's own apt, without loop devices or mounts in the
// machine's own namespace. It needs root.
//
// log gets a line per step and what the tools say.
func Debian(ctx context.Context, cache string, log io.Writer) (Disk, error) {
	return makeDebian(ctx, cache, log, full)
}

// DebianSmall is Debian with a disk of 1 GiB and fewer packages, for rooms whose
// disks would not fit in memory otherwise.
func DebianSmall(ctx context.Context, cache string, log io.Writer) (Disk, error) {
	return makeDebian(ctx, cache, log, small)
}

// DebianLean is Debian with a disk of 640 MiB that is at its login prompt soon, on
// an emulated processor too. The prompt is on the serial line.
func DebianLean(ctx context.Context, cache string, log io.Writer) (Disk, error) {
	return makeDebian(ctx, cache, log, lean)
}

func makeDebian(ctx context.Context, cache string, log io.Writer, f form) (Disk, error) {
	// Looked up first so that the name tells which Debian; a cached image
	// needs no mirrors, but it needs the release's name all the same.
	lines, codename, err := debian.Sources(ctx)
	if err != nil {
		return Disk{}, err
	}
	return cached(ctx, cache, "debian-"+codename+"-"+f.name, func(scratch string) (Disk, error) {
		if os.Geteuid() != 0 {
			return Disk{}, errors.New("making the disk image needs root (mmdebstrap sets file owners)")
		}
		b := builder{ctx: ctx, log: log, form: f, root: filepath.Join(scratch, "root"), disk: filepath.Join(scratch, "disk.img")}
		fmt.Fprintf(log, "making a Debian %s disk of %d MiB in %s (once; about two minutes)\n", codename, f.size/mib, cache)
		for _, step := range []func() error{
			func() error { return b.install(lines, codename) },
			b.configure, b.partition, b.efi, b.bios, b.rootfs,
		} {
			if err := step(); err != nil {
				return Disk{}, err
			}
		}
		fmt.Fprintln(log, "compressing it with gzip")
		return finish(ctx, scratch, b.disk)
	})
}

// builder holds what the steps of one build share.
type builder struct {
	ctx  context.Context
	log  io.Writer
	form form
	root string // folder with the root file system
	disk string // raw image
}

// run runs a tool; its error carries the last lines the tool said.
func (b *builder) run(stdin, name string, args ...string) error {
	cmd := exec.CommandContext(b.ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch, "E2FSPROGS_FAKE_TIME="+epoch, "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	// A mount namespace of its own: what the tool mounts in the new root
	// vanishes with it, and the machine never sees it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWNS, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctxErr := b.ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	said := strings.Split(strings.TrimSpace(string(out)), "\n")
	return fmt.Errorf("%s: %w:\n%s", name, err, strings.Join(said[max(0, len(said)-15):], "\n"))
}

func (b *builder) install(lines []string, codename string) error {
	fmt.Fprintln(b.log, "installing packages:", strings.Join(b.form.packages, " "))
	args := append([]string{
		"--mode=root", "--variant=minbase", "--format=directory", "--include=" + strings.Join(b.form.packages, ","),
		"--essential-hook=" + initramfs,
	}, debian.MmdebstrapOptions(b.ctx)...)
	if b.form.lean {
		args = append(args, leanOptions()...)
	}
	return b.run(strings.Join(lines, "\n")+"\n", "mmdebstrap", append(args, codename, b.root, "-")...)
}

// configure writes the files that make of the packages a machine that boots.
func (b *builder) configure() error {
	kernels, err := filepath.Glob(filepath.Join(b.root, "boot/vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		return fmt.Errorf("want one kernel in the new root, found %q", kernels)
	}
	version := strings.TrimPrefix(filepath.Base(kernels[0]), "vmlinuz-")
	uuid := strings.ToLower(rootUUID)
	files := map[string]string{
		"etc/hostname":   "pxecast-demo\n",
		"etc/machine-id": "", // every restored machine makes its own
		"etc/fstab": fmt.Sprintf("UUID=%s / ext4 errors=remount-ro 0 1\nUUID=%s-%s /boot/efi vfat umask=0077 0 0\n",
			uuid, efiID[:4], efiID[4:]),
		"boot/grub/grub.cfg": fmt.Sprintf("set timeout=0\nmenuentry 'Debian' {\n\tsearch --no-floppy --fs-uuid --set=root %s\n"+
			"\tlinux /boot/vmlinuz-%[2]s root=UUID=%[1]s ro console=tty0 console=ttyS0,115200\n\tinitrd /boot/initrd.img-%[2]s\n}\n", uuid, version),
	}
	for name, content := range files {
		path := filepath.Join(b.root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(b.root, "boot/efi"), 0o755)
}

func (b *builder) partition() error {
	fmt.Fprintln(b.log, "making GPT, EFI system partition, BIOS boot partition and ext4 root")
	f, err := os.Create(b.disk)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(b.form.size), f.Close()); err != nil {
		return err
	}
	return b.run("", "sgdisk", "--clear", "--disk-guid="+diskGUID,
		fmt.Sprintf("--new=1:%d:%d", efiStart/sector, rootFrom/sector-1), "--typecode=1:ef00", "--partition-guid=1:"+efiGUID, "--change-name=1:EFI",
		fmt.Sprintf("--new=2:%d:%d", rootFrom/sector, (rootFrom+b.form.rootSize())/sector-1), "--typecode=2:8304", "--partition-guid=2:"+partGUID, "--change-name=2:root",
		"--set-alignment=1", fmt.Sprintf("--new=3:%d:%d", biosFrom/sector, efiStart/sector-1), "--typecode=3:ef02", "--partition-guid=3:"+biosGUID, "--change-name=3:BIOS",
		b.disk)
}

// efi fills the EFI system partition: shim where any firmware looks for a boot
// loader, GRUB beside it where shim looks, and the configuration that Debian's
// signed GRUB has built in as its place.
func (b *builder) efi() error {
	if err := b.run("", "mkfs.fat", "-F", "32", "-s", "1", "--invariant", "-i", efiID, "-n", "EFI",
		"--offset", fmt.Sprint(efiStart/512), b.disk, fmt.Sprint(efiSize/1024)); err != nil {
		return err
	}
	cfg := b.root + ".grub.cfg"
	text := fmt.Sprintf("search --no-floppy --fs-uuid --set=root %s\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n", strings.ToLower(rootUUID))
	if err := os.WriteFile(cfg, []byte(text), 0o644); err != nil {
		return err
	}
	at := fmt.Sprintf("%s@@%d", b.disk, efiStart)
	if err := b.run("", "mmd", "-i", at, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"); err != nil {
		return err
	}
	for from, to := range map[string]string{
		filepath.Join(b.root, "usr/lib/shim/shimx64.efi.signed"):                   "::/EFI/BOOT/BOOTX64.EFI",
		filepath.Join(b.root, "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"): "::/EFI/BOOT/grubx64.efi",
		cfg: "::/EFI/debian/grub.cfg",
	} {
		if err := b.run("", "mcopy", "-i", at, from, to); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) rootfs() error {
	uuid := strings.ToLower(rootUUID)
	return b.run("", "mke2fs", "-q", "-F", "-t", "ext4", "-L", "root", "-U", uuid,
		"-E", fmt.Sprintf("hash_seed=%s,offset=%d", uuid, rootFrom), "-d", b.root,
		b.disk, fmt.Sprintf("%dk", b.form.rootSize()/1024))
}
