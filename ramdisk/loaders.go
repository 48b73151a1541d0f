package ramdisk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// built are the modules inside core.0. A machine that boots by BIOS fetches each
// file a packet at a time, so everything that a menu needs is in the one file;
// the folder beside it is for what an administrator adds.
var builtIn = []string{
	"pxe", "tftp", "http", "net", "normal", "configfile", "linux", "linux16", "chain", "boot", "search", "search_fs_uuid", "search_label",
	"part_gpt", "part_msdos", "ext2", "fat", "biosdisk", "echo", "reboot", "halt", "sleep", "serial", "terminal", "test", "true", "regexp",
	"all_video", "vbe", "vga", "gfxterm", "font", "keystatus", "cpuid", "minicmd", "ls", "cat", "eval", "read", "probe", "drivemap", "ntldr",
	"loadenv", "smbios", "progress",
}

// addLoaders fills tree with what a machine's firmware loads.
func (b *builder) addLoaders(tree string) error {
	for to, from := range map[string]string{
		"vmlinuz": "/boot/vmlinuz-" + b.kernel,
		// Firmware loads shim, which Microsoft signed; shim loads grubx64.efi
		// from where it came itself, which Debian signed, and which looks
		// for grub/grub.cfg there.
		"shimx64.efi": "/usr/lib/shim/shimx64.efi.signed",
		"grubx64.efi": "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
		// What shim starts when it is to enrol keys.
		"mmx64.efi": "/usr/lib/shim/mmx64.efi.signed",
	} {
		if err := copyFile(filepath.Join(b.root, from), filepath.Join(tree, to)); err != nil {
			return fmt.Errorf("boot loader: %w", err)
		}
	}
	return b.addBIOSLoader(tree)
}

// addBIOSLoader makes core.0, GRUB as a network boot program for BIOS, and puts
// the rest of GRUB beside it.
func (b *builder) addBIOSLoader(tree string) error {
	const from = "/usr/lib/grub/i386-pc"
	var have []string
	for _, m := range builtIn {
		if _, err := os.Stat(filepath.Join(b.root, from, m+".mod")); err == nil {
			have = append(have, m) // which there are differs between versions
		}
	}
	const core = "/" + notesDir + "/core.0"
	if _, err := output(b.ctx, inRoot(b.ctx, b.root, "/usr/bin/grub-mkimage", append([]string{
		"--directory=" + from, "--format=i386-pc-pxe", "--prefix=/grub", "--output=" + core}, have...)...)); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(b.root, core), filepath.Join(tree, "core.0")); err != nil {
		return err
	}
	to := filepath.Join(tree, "grub/i386-pc")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	all, err := os.ReadDir(filepath.Join(b.root, from))
	if err != nil {
		return err
	}
	for _, e := range all {
		if ext := filepath.Ext(e.Name()); ext != ".mod" && ext != ".lst" || b.unused(e.Name()) {
			continue
		}
		if err := copyFile(filepath.Join(b.root, from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// unused reports whether a file of GRUB's is of no use on a machine: its tests.
func (b *builder) unused(name string) bool {
	base := strings.TrimSuffix(name, ".mod")
	return strings.HasSuffix(base, "_test") || slices.Contains([]string{"functional_test", "exfctest", "testspeed", "hello", "videotest", "xnu_uuid_test"}, base)
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
