package ramdisk

// Debian packages, by what is taken from them.

// programs are the packages whose programs are in the ramdisk, and which of
// their files. The libraries that these need follow by themselves.
var programs = []struct {
	name  string
	files []string // paths in the package; none: needed while building only
}{
	{"base-files", nil}, // /lib64, without which nothing starts in the new root
	{"busybox-static", []string{"/usr/bin/busybox"}}, // mount, ip, modprobe, udhcpc, init, sh and 250 more
	{"kmod", nil},                                  // depmod
	{"kbd", nil},                                   // loadkeys
	{"zstd", nil},                                  // packs the image
	{"liblzma5", nil}, {"libdevmapper1.02.1", nil}, // for grub-mkimage
	{"util-linux", []string{"/usr/sbin/blkid", "/usr/bin/partx", "/usr/sbin/wipefs"}},
	{"fdisk", []string{"/usr/sbin/sfdisk"}},
	{"e2fsprogs", []string{"/usr/sbin/e2fsck", "/usr/sbin/resize2fs", "/usr/sbin/tune2fs", "/etc/mke2fs.conf"}},
	{"dosfstools", []string{"/usr/sbin/fatlabel"}},
	{"ethtool", []string{"/usr/sbin/ethtool"}},
	{"efibootmgr", []string{"/usr/bin/efibootmgr"}},
}

const kernelPackage = "linux-image-amd64" // names the suite's newest signed kernel

// loaders are the packages that boot loaders and their tools are picked from,
// without what they depend on.
var loaders = []string{"shim-signed", "shim-helpers-amd64-signed", "grub-efi-amd64-signed", "grub-pc-bin", "grub-common", "console-data"}

// firmware are the packages that hold firmware of wired network cards and disk
// controllers, in whichever suite. Of their files only those are taken that a
// module in the ramdisk names.
var firmware = []string{
	"firmware-linux-free", "firmware-realtek", "firmware-bnx2", "firmware-bnx2x", "firmware-cavium", "firmware-intel-misc",
	"firmware-misc-nonfree", "firmware-myricom", "firmware-netronome", "firmware-netxen", "firmware-qlogic",
}
