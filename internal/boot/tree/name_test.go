package tree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for asked, want := range map[string]string{
		"core.0": "core.0", "/core.0": "core.0", "///core.0": "core.0", `\EFI\x.efi`: "EFI/x.efi", "grub//i386-pc//x.mod": "grub/i386-pc/x.mod",
		"core.0\xff": "core.0", "core.0\xff\xff": "core.0", "grub/": "grub", "grub/machine/52:54:00:12:34:56": "grub/machine/52:54:00:12:34:56",
		"": "", "/": "", ".": "", "..": "", "a/../b": "", `a\..\b`: "", ".a": "", "a/.b": "", "a\x00b": "", "a\nb": "", "a%2e": "", "\xffa": "", "a\xff/b": "", "ä": "",
		strings.Repeat("a", 255): strings.Repeat("a", 255), strings.Repeat("a", 256): "",
	} {
		got, err := Clean(asked)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", asked, got, err, want)
		}
	}
}

// No name leads out of the folder, whatever it is.
func FuzzOpen(f *testing.F) {
	for _, s := range []string{"core.0", "../secret", `..\secret`, "link", "folder/secret", "/etc/passwd", "\xff"} {
		f.Add(s)
	}
	outside := f.TempDir()
	folder := filepath.Join(outside, "tree")
	const secret, loader = "what nobody may read", "loader"
	os.MkdirAll(folder, 0o755)
	os.WriteFile(filepath.Join(outside, "secret"), []byte(secret), 0o644)
	os.WriteFile(filepath.Join(folder, "core.0"), []byte(loader), 0o644)
	os.Symlink("../secret", filepath.Join(folder, "link"))
	os.Symlink("..", filepath.Join(folder, "folder"))
	f.Fuzz(func(t *testing.T, asked string) {
		file, err := Tree(folder).Open(asked, func(string) ([]byte, bool) { return nil, false })
		if err != nil {
			return
		}
		defer file.Close()
		if b := make([]byte, 100); file.Name != "core.0" {
			n, _ := file.Read(b)
			t.Errorf("%q is %q: %q", asked, file.Name, b[:n])
		}
	})
}

// What is made up comes first, and has no need of a folder.
func TestMadeFiles(t *testing.T) {
	made := func(name string) ([]byte, bool) { return []byte("menu"), name == "grub/grub.cfg" }
	f, err := Tree("/nonexistent").Open("/grub/grub.cfg", made)
	if err != nil || f.Size != 4 || !f.Modified.IsZero() || f.Close() != nil {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := Tree("/nonexistent").Open("core.0", made); err == nil || errors.Is(err, ErrNone) {
		t.Errorf("without the folder: %v", err)
	}
	if _, err := Tree(t.TempDir()).Open("core.0", made); err != ErrNone {
		t.Errorf("%v, want %v", err, ErrNone)
	}
}
