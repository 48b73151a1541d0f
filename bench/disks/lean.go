package disks

// leanBoots is what boots the lean disk. Its init is sysvinit: on an emulated
// processor systemd takes twenty seconds longer to the same prompt.
var leanBoots = []string{
	"linux-image-amd64", "initramfs-tools", "zstd", "sysvinit-core",
	"grub-efi-amd64-signed", "shim-signed", "grub-pc-bin",
}

// leftOut takes out what no login prompt needs. It is done afterwards, for where
// dpkg leaves out paths, mmdebstrap starts a filter for each package.
const leftOut = `set -e; cd "$1/usr"
rm -rf share/doc share/man share/info share/locale share/i18n share/zoneinfo share/grub \
	lib/x86_64-linux-gnu/gconv lib/grub/x86_64-efi
cd lib/modules/*/kernel
rm -rf sound net drivers/gpu drivers/hid drivers/iio drivers/infiniband drivers/isdn drivers/media drivers/net drivers/staging
chroot "$1" depmod "$(ls "$1/usr/lib/modules")"`

// leanInit puts the prompt on the serial line and on one console. The devices
// are the kernel's own (devtmpfs); udev, which would look at each of them again,
// is left to the initial ramdisk.
const leanInit = `set -e
sed -i -e '/^[2-6]:/d' -e '/^1:/a T0:2345:respawn:/sbin/getty -L ttyS0 115200 vt100' "$1/etc/inittab"
rm -f "$1"/etc/rc?.d/S??udev`

// leanOptions are mmdebstrap's for a lean system.
func leanOptions() []string {
	return []string{"--customize-hook=" + leanInit, "--customize-hook=" + leftOut}
}
