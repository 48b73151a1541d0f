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
	"strings"
)

// libraryFolders are where Debian's dynamic linker looks.
var libraryFolders = []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib", "/usr/lib64"}

// takeProgram puts in a file and, if it is a program or a library, all libraries
// that it names, and those that these name.
func (m *image) takeProgram(p string, k kind) error {
	real, err := m.take(p, k)
	if err != nil {
		return err
	}
	names, err := librariesOf(filepath.Join(m.root, real))
	if err != nil {
		return fmt.Errorf("%s: %w", real, err)
	}
	for _, name := range names {
		lib, err := m.findLibrary(name)
		if err != nil {
			return fmt.Errorf("%s: %w", real, err)
		}
		if lib, err = m.resolveDir(lib); err != nil {
			return err
		}
		// The extra packages use the libraries of the ramdisk's own programs.
		if _, there := m.entries[kindPrograms][strings.TrimPrefix(lib, "/")]; there {
			continue
		}
		if _, there := m.entries[k][strings.TrimPrefix(lib, "/")]; there {
			continue
		}
		if err := m.takeProgram(lib, k); err != nil {
			return err
		}
	}
	return nil
}

func (m *image) findLibrary(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	for _, dir := range libraryFolders {
		if p := dir + "/" + name; m.has(p) {
			return p, nil
		}
	}
	return "", fmt.Errorf("needs the library %s, which no package has", name)
}

// librariesOf returns the libraries that an ELF file names, and the path of its
// dynamic linker; nothing for any other file.
func librariesOf(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	magic := make([]byte, 4)
	if _, err := io.ReadFull(f, magic); err != nil || string(magic) != elf.ELFMAG {
		return nil, nil
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return nil, err
	}
	names, err := e.ImportedLibraries()
	if err != nil && len(e.Progs) > 0 && e.Section(".dynamic") != nil {
		return nil, err
	}
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		linker, err := io.ReadAll(p.Open())
		if err != nil {
			return nil, err
		}
		names = append(names, string(bytes.TrimRight(linker, "\x00")))
	}
	return names, nil
}

// checkBinary refuses a program that could not run in the ramdisk.
func checkBinary(path string) error {
	f, err := elf.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("pxecast for the ramdisk: %w", err)
	case err != nil:
		return fmt.Errorf("pxecast for the ramdisk: %s is not a program of Linux", path)
	}
	defer f.Close()
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("pxecast for the ramdisk: %s is for %v: the ramdisk is for x86-64", path, f.Machine)
	}
	if names, err := librariesOf(path); err == nil && len(names) > 0 {
		return fmt.Errorf("pxecast for the ramdisk: %s needs %s: give a static one (`make build` makes it) with --binary", path, names[0])
	}
	return nil
}
