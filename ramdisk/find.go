package ramdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/pxecast/pxecast/internal/trust"
)

// ErrNoBuild is returned where no usable boot folder is.
var ErrNoBuild = errors.New("no ramdisk built here")

// A Built is what build.json says of a boot folder. It has nothing in it that
// two builds of the same would not share.
type Built struct {
	Version     string                `json:"version"` // of the pxecast inside
	Binary      string                `json:"binary_sha256"`
	Suite       string                `json:"suite"` // codename
	Kernel      string                `json:"kernel"`
	Epoch       int64                 `json:"source_date_epoch"`
	Keymap      string                `json:"keymap"`
	Locale      string                `json:"locale"`
	SerialSpeed int                   `json:"serial_speed"`
	Shell       bool                  `json:"shell"`
	Trust       []string              `json:"trust"` // public keys, sorted
	Extra       []string              `json:"extra_packages"`
	ExtraFiles  []string              `json:"extra_files"` // paths in the ramdisk
	Parts       []Part                `json:"parts"`
	Packages    []Package             `json:"packages"`
	Missing     []string              `json:"missing_firmware"`
	Files       map[string]FileDigest `json:"files"` // of the tree, by path
}

func (r *Report) build(b *builder) Built {
	binary, _ := digest(b.Binary) // was just read
	build := Built{
		Version: b.Version, Binary: binary.SHA256, Suite: r.Codename, Kernel: r.Kernel, Epoch: b.Epoch, Keymap: b.Keymap, Locale: b.Locale,
		SerialSpeed: b.SerialSpeed, Shell: !b.NoShell, Trust: keyTexts(b.Config), Extra: append([]string{}, b.Config.Packages...), ExtraFiles: []string{},
		Parts: r.Parts, Packages: r.Packages, Missing: append([]string{}, r.MissingFirmware...), Files: r.Files,
	}
	for _, f := range b.Config.Files {
		build.ExtraFiles = append(build.ExtraFiles, f.To)
	}
	return build
}

// Find returns the build in a boot folder. It is whole: each file of the tree has
// the digest that it was built with. Errors: [ErrNoBuild], which says why.
func Find(folder string) (Built, error) {
	var b Built
	text, err := os.ReadFile(filepath.Join(folder, buildInfo))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return b, fmt.Errorf("%w: %s has no %s", ErrNoBuild, folder, buildInfo)
		}
		return b, err
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return Built{}, fmt.Errorf("%w: %s: %w", ErrNoBuild, buildInfo, err)
	}
	for _, name := range []string{"vmlinuz", "initrd.img", "core.0", "shimx64.efi", "grubx64.efi"} {
		if _, ok := b.Files[name]; !ok {
			return Built{}, fmt.Errorf("%w: %s does not name %s", ErrNoBuild, buildInfo, name)
		}
	}
	for name, want := range b.Files {
		if !filepath.IsLocal(name) {
			return Built{}, fmt.Errorf("%w: %s names %q", ErrNoBuild, buildInfo, name)
		}
		got, err := digest(filepath.Join(folder, treeDir, name))
		if err != nil {
			return Built{}, fmt.Errorf("%w: %w", ErrNoBuild, err)
		}
		if got != want {
			return Built{}, fmt.Errorf("%w: %s is not what was built", ErrNoBuild, name)
		}
	}
	return b, nil
}

// Stale tells why a build is not what this program with these keys would build
// now, in words; "" if it is. Packages that Debian has renewed since don't count.
func (b Built) Stale(binary string, keys []trust.PublicKey) (why string, err error) {
	now, err := digest(binary)
	if err != nil {
		return "", err
	}
	want := keyTexts(Config{Trust: keys})
	switch {
	case now.SHA256 != b.Binary:
		return "pxecast has changed since", nil
	case !slices.Equal(want, b.Trust):
		return "the trusted keys have changed since", nil
	}
	return "", nil
}
