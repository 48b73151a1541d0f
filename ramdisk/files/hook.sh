#!/bin/sh
# Run by mmdebstrap when the packages for the ramdisk's programs are unpacked in
# the folder $1. What happens here needs those packages or the mirrors; its
# outcome is kept in root.tar.
set -eu
root=$1
notes=$root/pxecast
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" LC_ALL=C.UTF-8

# For each package its version and its files: the report is made of these.
record() {
	name=$(dpkg-deb -f "$1" Package)
	printf '%s %s\n' "$name" "$(dpkg-deb -f "$1" Version)" >> "$notes/versions"
	dpkg-deb --fsys-tarfile "$1" | tar -t > "$notes/files/$name"
}
mkdir -p "$notes/files" "$notes/keymaps" "$notes/debs"
for deb in "$root"/var/cache/apt/archives/*.deb; do record "$deb"; done

# Which packages are here only because of --package: everything that the
# ramdisk's own programs don't need.
apt-get -s install $PXECAST_PACKAGES 2>/dev/null | sed -n 's/^Inst \([^ ]*\).*/\1/p' | sort > "$notes/own"

# Kernel, firmware and boot loaders: files are picked out of these packages, so
# what they depend on (an initramfs generator, for one) is not wanted.
kernel=$(apt-cache depends "$PXECAST_KERNEL" | sed -n 's/^ *Depends: *\(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$kernel" ] || { echo "E: $PXECAST_KERNEL names no kernel" >&2; exit 1; }
picked="$kernel $PXECAST_LOADERS"
for name in $PXECAST_FIRMWARE; do # which of these there are differs between suites
	if [ -n "$(apt-cache madison "$name" 2>/dev/null)" ]; then picked="$picked $name"; fi
done
chmod 777 "$notes/debs" # apt downloads as a user of its own
(cd "$notes/debs" && apt-get -q download $picked)
for deb in "$notes/debs"/*.deb; do
	record "$deb"
	dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
done
rm -rf "$notes/debs"

# Keymaps in the form that the kernel takes. loadkeys would call gzip and a
# shell, which are not in the new root.
maps=$root/usr/share/keymaps/i386
find "$maps" -name '*.gz' -exec gzip -d {} +
for map in "$maps"/azerty/*.kmap "$maps"/dvorak/*.kmap "$maps"/qwerty/*.kmap "$maps"/qwertz/*.kmap; do
	name=$(basename "$map" .kmap)
	chroot "$root" loadkeys --bkeymap --unicode "${map#"$root"}" > "$notes/keymaps/$name" 2>/dev/null ||
		rm -f "$notes/keymaps/$name" # a few need more than a plain table
done

chroot "$root" depmod "$(ls "$root/usr/lib/modules")"

if [ -n "$PXECAST_LOCALE" ]; then
	gzip -d "$root/usr/share/i18n/charmaps/UTF-8.gz"
	mkdir -p "$root/usr/lib/locale"
	# It warns, with a status, of what is not strictly standard.
	chroot "$root" localedef --no-archive -c -i "${PXECAST_LOCALE%%.*}" -f UTF-8 "/usr/lib/locale/${PXECAST_LOCALE%%.*}.utf8" || true
fi
