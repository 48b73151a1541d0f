package disks

// leanBoots is what boots the lean disk. Its init is sysvinit, because that can be
// told to do nearly nothing: systemd, and sysvinit with Debian's own scripts, take
// twenty seconds to the prompt where the processor is emulated.
var leanBoots = []string{
	"linux-image-amd64", "initramfs-tools", "zstd", "sysvinit-core",
	"grub-efi-amd64-signed", "shim-signed", "grub-pc-bin",
}

// leanInit is what is left of starting a system: root writable, a name, a prompt on
// the serial line and on the console. The kernel and the initial ramdisk have made
// devices, /proc, /sys and /run.
const leanInit = `set -e
cat > "$1/etc/inittab" <<'END'
id:2:initdefault:
si::sysinit:/bin/sh -c 'mount -o remount,rw /; hostname -F /etc/hostname'
T0:2:respawn:/sbin/getty -L ttyS0 115200 vt100
1:2:respawn:/sbin/getty 38400 tty1
ca::ctrlaltdel:/sbin/shutdown -r now
END`

// leftOut takes out what no login prompt needs, so that a disk is imaged in a
// minute: kernel modules other than those in the initial ramdisk, for one. It is
// done afterwards, for where dpkg leaves out paths, mmdebstrap starts a filter for
// each package.
const leftOut = `set -e; cd "$1/usr"
rm -rf share/doc share/man share/info share/locale share/i18n share/zoneinfo share/grub share/perl share/bash-completion \
	lib/x86_64-linux-gnu/gconv lib/x86_64-linux-gnu/perl lib/grub/x86_64-efi lib/udev/hwdb* lib/modules/*/kernel
chroot "$1" depmod "$(ls "$1/usr/lib/modules")"`

// leanOptions are mmdebstrap's for a lean system.
func leanOptions() []string {
	return []string{"--customize-hook=" + leanInit, "--customize-hook=" + leftOut}
}
