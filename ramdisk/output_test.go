package ramdisk

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxecast/pxecast/internal/trust"
)

func TestExchangeLeavesOneWholeTree(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, treeDir)
	for _, text := range []string{"first", "second"} {
		fresh := filepath.Join(dir, "fresh")
		if err := os.RemoveAll(fresh); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(fresh, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(fresh, "x"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := exchange(fresh, path); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(filepath.Join(path, "x")); string(got) != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "fresh/x")); string(got) != "first" {
		t.Errorf("the old tree holds %q", got)
	}
}

// Where a file system can't exchange two folders, a failure in between leaves the old one.
func TestExchangeByTurns(t *testing.T) {
	dir := t.TempDir()
	path, fresh := filepath.Join(dir, treeDir), filepath.Join(dir, "fresh")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := exchangeByTurns(fresh, path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v with nothing to put in place", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "old" {
		t.Errorf("%q is there afterwards", got)
	}
	if err := os.WriteFile(fresh, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := exchangeByTurns(fresh, path); err != nil {
		t.Error(err)
	}
	got, _ := os.ReadFile(path)
	if aside, _ := os.ReadFile(fresh); string(got) != "new" || string(aside) != "old" {
		t.Errorf("%q and %q", got, aside)
	}
}

func TestBuildersTakeTurns(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(t.Context(), dir, func() { t.Error("waits though nobody builds") })
	if err != nil {
		t.Fatal(err)
	}
	waits := make(chan struct{})
	second := make(chan error, 1)
	go func() {
		unlock, err := lock(t.Context(), dir, func() { close(waits) })
		if err == nil {
			unlock()
		}
		second <- err
	}()
	<-waits
	ctx, cancel := context.WithCancel(t.Context())
	_, err = lock(ctx, dir, cancel)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("waiting ends with %v, want the context's end", err)
	}
	unlock()
	if err := <-second; err != nil {
		t.Error(err)
	}
}

func TestScratchOfTheDeadIsRemoved(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, scratches+"1/root/etc")
	if err := os.MkdirAll(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	fresh, err := scratchIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, _ := filepath.Glob(filepath.Join(dir, "*"))
	if len(all) != 1 || all[0] != fresh {
		t.Errorf("left: %q", all)
	}
}

// boot makes a boot folder of small files.
func bootFolder(t *testing.T) (folder string, b Built) {
	t.Helper()
	folder = t.TempDir()
	b = Built{Files: make(map[string]FileDigest), Trust: []string{"a key"}}
	for _, name := range []string{"vmlinuz", "initrd.img", "core.0", "shimx64.efi", "grubx64.efi"} {
		path := filepath.Join(folder, treeDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		var err error
		if b.Files[name], err = digest(path); err != nil {
			t.Fatal(err)
		}
	}
	writeBuilt(t, folder, b)
	return folder, b
}

func writeBuilt(t *testing.T, folder string, b Built) {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, buildInfo), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFindTakesOnlyWholeBuilds(t *testing.T) {
	folder, _ := bootFolder(t)
	if _, err := Find(folder); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(folder string, b Built){
		"no build.json": func(folder string, _ Built) { os.Remove(filepath.Join(folder, buildInfo)) },
		"not JSON":      func(folder string, _ Built) { os.WriteFile(filepath.Join(folder, buildInfo), []byte("{"), 0o644) },
		"a file changed": func(folder string, _ Built) {
			os.WriteFile(filepath.Join(folder, "tree/core.0"), []byte("corE.0"), 0o644)
		},
		"a file gone":         func(folder string, _ Built) { os.Remove(filepath.Join(folder, "tree/vmlinuz")) },
		"a loader not named":  func(folder string, b Built) { delete(b.Files, "shimx64.efi"); writeBuilt(t, folder, b) },
		"a name leads out":    func(folder string, b Built) { b.Files["../build.json"] = FileDigest{}; writeBuilt(t, folder, b) },
		"the folder is empty": func(folder string, _ Built) { os.RemoveAll(folder) },
	} {
		t.Run(name, func(t *testing.T) {
			folder, b := bootFolder(t)
			spoil(folder, b)
			got, err := Find(folder)
			if !errors.Is(err, ErrNoBuild) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line of ErrNoBuild", err)
			}
			// One that is damaged is built again as it was: with its keymap, its keys.
			if damaged := strings.HasPrefix(name, "a file"); damaged != (len(got.Trust) > 0) {
				t.Errorf("what is known of it: %+v", got)
			}
		})
	}
}

func TestStaleTellsWhatChanged(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "pxecast")
	if err := os.WriteFile(binary, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	key, err := trust.Generate()
	if err != nil {
		t.Fatal(err)
	}
	d, err := digest(binary)
	if err != nil {
		t.Fatal(err)
	}
	b := Built{Binary: d.SHA256, Trust: []string{"another", key.Public().String()}, Asked: "trixie", Keymap: "de", Shell: true}
	if why, _, err := b.Stale(binary, key.Public()); why != "" || err != nil {
		t.Errorf("fresh: %q, %v", why, err)
	}
	if why, foreign, _ := b.Stale(binary, trust.PublicKey{}); !foreign || !strings.Contains(why, "another server") {
		t.Errorf("another server: %q", why)
	}
	if err := os.WriteFile(binary, []byte("two"), 0o755); err != nil {
		t.Fatal(err)
	}
	if why, foreign, _ := b.Stale(binary, key.Public()); foreign || !strings.Contains(why, "pxecast") {
		t.Errorf("another program: %q", why)
	}
	if _, err := b.Config(); err == nil {
		t.Error("a key that is none counts as one")
	}
	b.Trust = b.Trust[1:]
	if c, err := b.Config(); err != nil || c.Suite != "trixie" || c.Keymap != "de" || c.NoShell || len(c.Trust) != 1 {
		t.Errorf("built again with %+v: %v", c, err)
	}
}
