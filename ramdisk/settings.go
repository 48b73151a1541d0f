package ramdisk

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// addSettings puts in the scripts and what they are to do.
func (b *builder) addSettings() error {
	err := fs.WalkDir(files, "files", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(name)
		to := "init"
		if path.Dir(name) == "files/lib" {
			to = "usr/lib/pxecast/" + path.Base(name)
		}
		b.image.add(entry{path: to, mode: 0o755, data: data, kind: kindSettings, origin: "pxecast"})
		return err
	})
	if err != nil {
		return err
	}
	shell := "yes"
	if b.NoShell {
		shell = "no"
	}
	for name, text := range map[string]string{
		"etc/pxecast/ramdisk.conf": fmt.Sprintf("VERSION=%s\nKEYMAP=%s\nLANG=%s\nSERIAL_SPEED=%d\nSHELL_ON_TTY2=%s\n",
			quote(b.Version), quote(b.Keymap), quote(b.Locale), b.SerialSpeed, shell),
		"etc/pxecast/trusted": trusted(b.Config),
		"etc/passwd":          "root:x:0:0:root:/root:/usr/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/bin/false\n",
		"etc/group":           "root:x:0:\ntty:x:5:\ndisk:x:6:\nnogroup:x:65534:\n",
		"etc/hosts":           "127.0.0.1 localhost\n",
		// What busybox's mount tries where no type is given, so that the
		// kernel loads the driver.
		"etc/filesystems": "ext4\nvfat\nntfs3\nxfs\nbtrfs\n",
		"etc/profile":     "export PATH=/usr/sbin:/usr/bin LANG=" + quote(b.Locale) + "\nPS1='\\h:\\w# '\n",
		"etc/os-release":  "ID=pxecast\nNAME=pxecast\nPRETTY_NAME='pxecast ramdisk'\n",
	} {
		b.image.add(entry{path: name, mode: 0o644, data: []byte(text), kind: kindSettings, origin: "pxecast"})
	}
	if localeOf(&b.Config) != "" {
		return b.addLocale()
	}
	return nil
}

// quote makes one word of a shell script of it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// trusted returns the list of keys that the machines accept, sorted.
func trusted(c Config) string {
	lines := []string{"# senders whose images this ramdisk writes"}
	lines = append(lines, keyTexts(c)...)
	return strings.Join(lines, "\n") + "\n"
}

func keyTexts(c Config) []string {
	texts := make([]string, 0, len(c.Trust))
	for _, k := range c.Trust {
		texts = append(texts, k.String())
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// addLocale puts in the locale that hook.sh had the C library's tools make.
func (b *builder) addLocale() error {
	name, _, _ := strings.Cut(b.Locale, ".")
	folder := "/usr/lib/locale/" + name + ".utf8"
	for _, category := range []string{"ADDRESS", "COLLATE", "CTYPE", "IDENTIFICATION", "MEASUREMENT", "MESSAGES/SYS_LC_MESSAGES", "MONETARY",
		"NAME", "NUMERIC", "PAPER", "TELEPHONE", "TIME"} {
		if _, err := b.image.take(folder+"/LC_"+category, kindSettings); err != nil {
			return fmt.Errorf("locale %s: Debian's package locales has none of that name: %w", b.Locale, err)
		}
	}
	return nil
}
