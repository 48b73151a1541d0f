package ramdisk

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed files/init files/lib
var files embed.FS

// fill chooses what goes into the image.
func (b *builder) fill() error {
	for _, add := range []func() error{
		b.addSkeleton, b.addModules, b.addPrograms, b.addPackages, b.addBinary, b.addSettings, b.addKeymaps, b.addFiles,
	} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

// addSkeleton puts in the folders and links that everything else stands on, and
// the two devices that the kernel's first process finds before it has /dev.
func (b *builder) addSkeleton() error {
	for _, dir := range []string{"dev", "etc", "mnt", "proc", "root", "run", "sys", "tmp", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "var"} {
		b.image.add(entry{path: dir, mode: fs.ModeDir | folderMode(dir), kind: kindModules})
	}
	for link, target := range map[string]string{
		"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "var/run": "../run", "etc/mtab": "../proc/self/mounts",
	} {
		b.image.add(entry{path: link, mode: fs.ModeSymlink, target: target, kind: kindModules})
	}
	const device = fs.ModeDevice | fs.ModeCharDevice
	b.image.add(entry{path: "dev/console", mode: device | 0o600, device: 5<<8 | 1, kind: kindModules})
	b.image.add(entry{path: "dev/null", mode: device | 0o666, device: 1<<8 | 3, kind: kindModules})
	return nil
}

// addModules puts in the modules, an index of just these, and their firmware.
func (b *builder) addModules() error {
	folder := "/usr/lib/modules/" + b.kernel
	text, err := os.ReadFile(filepath.Join(b.root, folder, "modules.dep"))
	if err != nil {
		return err
	}
	chosen := selectModules(parseModulesDep(string(text)))
	if len(chosen) == 0 {
		return fmt.Errorf("%s holds no module that the ramdisk wants", folder)
	}
	var names []string
	for _, m := range chosen {
		names = append(names, path.Join(folder, m))
	}
	if err := b.unpack(names); err != nil {
		return err
	}
	var paths []string
	for _, m := range chosen {
		p, err := b.image.take(path.Join(folder, m), kindModules)
		if err != nil {
			return err
		}
		paths = append(paths, p)
	}
	if err := b.addModuleIndex(folder, chosen); err != nil {
		return err
	}
	return b.addFirmware(paths)
}

// addModuleIndex has depmod index a folder that holds the chosen modules only.
func (b *builder) addModuleIndex(folder string, chosen []string) error {
	base := "/" + notesDir + "/index"
	for _, m := range chosen {
		to := filepath.Join(b.root, base, folder, m)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.Link(filepath.Join(b.root, folder, m), to); err != nil {
			return err
		}
	}
	for _, name := range []string{"modules.order", "modules.builtin", "modules.builtin.modinfo"} {
		if err := os.Link(filepath.Join(b.root, folder, name), filepath.Join(b.root, base, folder, name)); err != nil {
			return err
		}
	}
	// Before merged /usr depmod looked in /lib, and some still do.
	if err := os.Symlink("usr/lib", filepath.Join(b.root, base, "lib")); err != nil {
		return err
	}
	if _, err := output(b.ctx, inRoot(b.ctx, b.root, "/usr/sbin/depmod", "-b", base, b.kernel)); err != nil {
		return err
	}
	index := filepath.Join(b.root, base, folder)
	deps, err := os.ReadFile(filepath.Join(index, "modules.dep"))
	if err != nil {
		return err
	}
	soft, err := os.ReadFile(filepath.Join(index, "modules.softdep"))
	if err != nil {
		return err
	}
	aliases, err := os.ReadFile(filepath.Join(index, "modules.alias"))
	if err != nil {
		return err
	}
	// The text forms, which busybox reads; the binary ones are for kmod.
	b.image.add(entry{path: path.Join(folder, "modules.dep"), mode: 0o644, data: hardened(string(deps), string(soft)), kind: kindModules, origin: "depmod"})
	b.image.add(entry{path: path.Join(folder, "modules.alias"), mode: 0o644, data: aliases, kind: kindModules, origin: "depmod"})
	return nil
}

// addFirmware puts in the files that the modules name, as far as packages have
// them.
func (b *builder) addFirmware(modules []string) error {
	out, err := output(b.ctx, inRoot(b.ctx, b.root, "/usr/sbin/modinfo", append([]string{"-F", "firmware"}, modules...)...))
	if err != nil {
		return err
	}
	const folder = "/usr/lib/firmware/"
	var there []string
	for p := range b.notes.owner {
		if name, ok := strings.CutPrefix(p, folder); ok {
			there = append(there, name)
		}
	}
	named := slices.DeleteFunc(strings.Fields(string(out)), spareFirmware.MatchString)
	found, missing, err := findFirmware(there, named)
	if err != nil {
		return err
	}
	b.report.MissingFirmware = missing
	for i, name := range found {
		found[i] = folder + name
	}
	if err := b.unpackLinked(found); err != nil {
		return err
	}
	for _, p := range found {
		if _, err := b.image.take(p, kindFirmware); errors.Is(err, fs.ErrNotExist) { // a link to what no package here has
			b.report.MissingFirmware = append(b.report.MissingFirmware, strings.TrimPrefix(p, folder))
		} else if err != nil {
			return err
		}
	}
	slices.Sort(b.report.MissingFirmware)
	return nil
}

// addPrograms puts in the ramdisk's own programs with their libraries, and
// busybox under every name that no program has.
func (b *builder) addPrograms() error {
	for _, p := range programs {
		for _, file := range p.files {
			if err := b.image.takeProgram(file, kindPrograms); err != nil {
				return fmt.Errorf("package %s: %w", p.name, err)
			}
		}
	}
	out, err := output(b.ctx, inRoot(b.ctx, b.root, "/usr/bin/busybox", "--list"))
	if err != nil {
		return err
	}
	have := b.image.entries[kindPrograms]
	for name := range strings.FieldsSeq(string(out)) {
		_, bin := have["usr/bin/"+name]
		_, sbin := have["usr/sbin/"+name]
		if bin || sbin || name == "busybox" {
			continue
		}
		b.image.add(entry{path: "usr/bin/" + name, mode: fs.ModeSymlink, target: "busybox", kind: kindPrograms, origin: "busybox-static"})
	}
	for _, name := range []string{"init", "modprobe", "reboot", "poweroff", "halt"} { // where the kernel and habits look
		b.image.add(entry{path: "usr/sbin/" + name, mode: fs.ModeSymlink, target: "../bin/busybox", kind: kindPrograms, origin: "busybox-static"})
	}
	return nil
}

// superfluous are folders of packages that a machine in memory does without: the
// strip step.
var superfluous = []string{
	"/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/locale/", "/usr/share/lintian/", "/usr/share/bug/",
	"/usr/share/bash-completion/", "/usr/share/zsh/", "/usr/share/fish/", "/usr/share/icons/", "/usr/share/applications/",
	"/usr/share/doc-base/", "/usr/share/gtk-doc/", "/usr/share/initramfs-tools/", "/usr/share/debconf/", "/usr/share/reportbug/",
	"/usr/lib/systemd/", "/usr/include/", "/usr/lib/udev/", "/etc/init.d/", "/etc/default/", "/etc/cron.", "/var/",
}

// addPackages puts in the packages asked for and what they depend on, stripped.
func (b *builder) addPackages() error {
	for _, p := range b.notes.packages {
		if !slices.Contains(b.Packages, p.Name) && (b.notes.own[p.Name] || b.picked(p.Name)) {
			continue
		}
		var wanted, packed []string
		for _, file := range b.notes.files[p.Name] {
			if slices.ContainsFunc(superfluous, func(dir string) bool { return strings.HasPrefix(file, dir) }) {
				continue
			}
			wanted = append(wanted, file)
			if !b.image.has(file) {
				packed = append(packed, file)
			}
		}
		if err := b.unpackLinked(packed); err != nil {
			return fmt.Errorf("package %s: %w", p.Name, err)
		}
		for _, file := range wanted {
			if err := b.image.takeProgram(file, kindExtra); err != nil {
				return fmt.Errorf("package %s: %w", p.Name, err)
			}
		}
	}
	return nil
}

// picked reports whether a package is one that only some files are picked out of.
func (b *builder) picked(name string) bool {
	return strings.HasPrefix(name, "linux-image-") || slices.Contains(loaders, name) || slices.Contains(firmware, name) ||
		localeOf(&b.Config) != "" && (name == "locales" || name == "libc-bin")
}

func (b *builder) addBinary() error {
	b.image.add(entry{path: "usr/bin/pxecast", mode: 0o755, from: b.Binary, kind: kindPxecast, origin: "pxecast"})
	return nil
}

func (b *builder) addKeymaps() error {
	folder := filepath.Join(b.root, notesDir, "keymaps")
	maps, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	known := false
	for _, e := range maps {
		known = known || e.Name() == b.Keymap || strings.HasPrefix(e.Name(), b.Keymap+"-latin")
		b.image.add(entry{path: "usr/share/keymaps/" + e.Name(), mode: 0o644, from: filepath.Join(folder, e.Name()), kind: kindSettings, origin: "console-data"})
	}
	if !known {
		return fmt.Errorf("keymap %q: Debian's console-data has none of that name: one such as us, uk, de, fr, es, it, pl or ru", b.Keymap)
	}
	return nil
}

// addFiles puts in the extra files, over what is there.
func (b *builder) addFiles() error {
	for _, f := range b.Files {
		err := filepath.WalkDir(f.From, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(f.From, p)
			if err != nil {
				return err
			}
			return b.addFile(p, path.Join(f.To, filepath.ToSlash(rel)), d)
		})
		if err != nil {
			return fmt.Errorf("extra file: %w", err)
		}
	}
	return nil
}

func (b *builder) addFile(from, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	// A path through /lib goes where the link leads: an archive that is unpacked
	// over another must not replace the link by a folder.
	e := entry{path: strings.TrimPrefix(merged(to), "/"), mode: info.Mode() & (fs.ModeType | fs.ModePerm), kind: kindSettings, origin: "--file"}
	switch info.Mode().Type() {
	case 0:
		e.from = from
	case fs.ModeSymlink:
		if e.target, err = os.Readlink(from); err != nil {
			return err
		}
	case fs.ModeDir:
	default:
		return fmt.Errorf("%s is neither a file, a folder nor a link", from)
	}
	delete(b.image.entries[kindSettings], e.path)
	b.image.add(e)
	return nil
}
