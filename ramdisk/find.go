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
	Suite       string                `json:"suite"`       // codename
	Asked       string                `json:"suite_asked"` // what Config.Suite said
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
		Version: b.Version, Binary: binary.SHA256, Suite: r.Codename, Asked: b.Config.Suite, Kernel: r.Kernel, Epoch: b.Epoch, Keymap: b.Keymap, Locale: b.Locale,
		SerialSpeed: b.SerialSpeed, Shell: !b.NoShell, Trust: keyTexts(b.Config), Extra: append([]string{}, b.Config.Packages...), ExtraFiles: []string{},
		Parts: r.Parts, Packages: r.Packages, Missing: append([]string{}, r.MissingFirmware...), Files: r.Files,
	}
	for _, f := range b.Config.Files {
		build.ExtraFiles = append(build.ExtraFiles, f.To)
	}
	return build
}

// Find returns the build in a boot folder. It is whole: each file of the tree has
// the digest that it was built with. Errors: [ErrNoBuild], which says why; what is
// returned then still tells what the build was made with, unless its Trust is empty.
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
			return b, fmt.Errorf("%w: %w", ErrNoBuild, err)
		}
		if got != want {
			return b, fmt.Errorf("%w: %s is not what was built", ErrNoBuild, name)
		}
	}
	return b, nil
}

// Stale tells why a build does not suit this program and a server with this key, in
// words; "" if it does. Packages that Debian has renewed since don't count. foreign
// says that machines would refuse what that server sends.
func (b Built) Stale(binary string, key trust.PublicKey) (why string, foreign bool, err error) {
	now, err := digest(binary)
	switch {
	case err != nil:
		return "", false, err
	case !slices.Contains(b.Trust, key.String()):
		return "the ramdisk trusts another server", true, nil
	case now.SHA256 != b.Binary:
		return "pxecast has changed since the ramdisk was built", false, nil
	}
	return "", false, nil
}

// Config returns what a build was made with, but for its output, its program and
// files of the host, which it does not know.
func (b Built) Config() (Config, error) {
	c := Config{Suite: b.Asked, Packages: b.Extra, Keymap: b.Keymap, Locale: b.Locale, SerialSpeed: b.SerialSpeed, NoShell: !b.Shell}
	for _, text := range b.Trust {
		key, err := trust.ParsePublicKey(text)
		if err != nil {
			return c, fmt.Errorf("%s: %w", buildInfo, err)
		}
		c.Trust = append(c.Trust, key)
	}
	return c, nil
}
