package ramdisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/internal/trust"
)

// TestBuild builds from the mirrors and again from what was kept. The first
// time it fetches 180 MB; root.tar stays in the tests' cache, where the tests
// that boot machines find it too.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes minutes, and other programs do the work")
	}
	if os.Geteuid() != 0 {
		t.Skip("building a ramdisk needs root")
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skip("mmdebstrap is not installed")
	}
	cache, err := disks.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	c := testConfig(t)
	// A folder of its own, as others may build at the same time; the packages are
	// theirs, too.
	c.Output = filepath.Join(cache, "boot-test")
	shared := filepath.Join(cache, "boot")
	keep(t, shared, c.Output)
	first, err := Build(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, c.Output, shared)
	t.Logf("Debian %s, root.tar reused: %v, %.1f s", first.Codename, first.RootReused, first.Seconds)
	built, err := Find(c.Output)
	if err != nil {
		t.Fatal(err)
	}
	if why, _, err := built.Stale(c.Binary, c.Trust[0]); why != "" || err != nil {
		t.Errorf("a build of a moment ago: %q, %v", why, err)
	}
	const mib = 1 << 20
	if first.InitrdBytes > 32*mib || first.KernelBytes+first.InitrdBytes > 40*mib {
		t.Errorf("initrd %d bytes, with the kernel %d: more than 32 MiB or 40 MiB", first.InitrdBytes, first.KernelBytes+first.InitrdBytes)
	}

	// In another folder, from the same packages: the same bytes.
	again := c
	if again.Output, err = os.MkdirTemp(cache, "boot-again-"); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(again.Output)
	keep(t, c.Output, again.Output)
	second, err := Build(ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	if !second.RootReused {
		t.Error("root.tar was there and packages were fetched all the same")
	}
	t.Logf("all compressed anew: %.1f s", second.Seconds)
	sameTrees(t, c.Output, again.Output)

	// A new program in the same folder: a rebuild as `serve` makes it.
	again.Keymap = "de"
	third, err := Build(ctx, again)
	if err != nil {
		t.Fatal(err)
	}
	if !third.RootReused {
		t.Error("another keymap fetched packages")
	}
	t.Logf("a rebuild with another setting: %.1f s", third.Seconds)
	left, _ := filepath.Glob(filepath.Join(again.Output, scratches+"*"))
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	checkContents(t, filepath.Join(again.Output, treeDir, "initrd.img"), c)
}

// keep gives a boot folder the packages of another, if it has none.
func keep(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{rootTar, rootInfo} {
		err := os.Link(filepath.Join(from, name), filepath.Join(to, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
}

func testConfig(t *testing.T) Config {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "pxecast")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", binary, "../cmd/pxecast")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var key trust.PublicKey
	key[0] = 1
	return Config{Binary: binary, Trust: []trust.PublicKey{key}, Version: "test", Progress: func(p Progress) { t.Log(p.Step, p.Text) }}
}

func sameTrees(t *testing.T, a, b string) {
	t.Helper()
	for _, part := range []string{treeDir, buildInfo} {
		err := filepath.WalkDir(filepath.Join(a, part), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(a, p)
			if err != nil {
				return err
			}
			x, errX := digest(p)
			y, errY := digest(filepath.Join(b, rel))
			if errX != nil || errY != nil || x != y {
				t.Errorf("%s differs: %v %v, %v %v", rel, x, errX, y, errY)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkContents unpacks the image as the kernel does, archive after archive, and
// looks for what a machine needs.
func checkContents(t *testing.T, initrd string, c Config) {
	t.Helper()
	f, err := os.Open(initrd)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	files := make(map[string][]byte)
	for {
		name, data, err := nextCpio(d)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	all := ""
	for name := range files {
		all += " " + name + "\n"
	}
	for _, want := range []string{
		" init\n", " usr/bin/busybox\n", " usr/bin/pxecast\n", " usr/sbin/sfdisk\n", " usr/sbin/blkid\n", " usr/sbin/e2fsck\n", " usr/bin/efibootmgr\n",
		" usr/sbin/ethtool\n", "/e1000e.ko", "/r8169.ko", "/r8152.ko", "/nvme.ko", "/ahci.ko", "/megaraid_sas.ko", "/usb-storage.ko", "/sdhci-pci.ko",
		"/virtio_net.ko", "/usbhid.ko", "/ext4.ko", "/vfat.ko", "/xfs.ko", "/btrfs.ko", "/ntfs3.ko", " usr/lib/firmware/rtl_nic/rtl8168g-2.fw\n",
		"/modules.dep\n", " usr/share/keymaps/de-latin1\n",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in the image", strings.TrimSpace(want))
		}
	}
	if got := string(files["etc/pxecast/trusted"]); !strings.Contains(got, c.Trust[0].String()) {
		t.Errorf("trusted keys: %q", got)
	}
	if got := string(files["etc/pxecast/ramdisk.conf"]); !strings.Contains(got, "KEYMAP='de'\n") {
		t.Errorf("settings: %q", got)
	}
}

// nextCpio reads one entry; entries called TRAILER!!! end an archive, not the
// image.
func nextCpio(r io.Reader) (name string, data []byte, err error) {
	header := make([]byte, 110)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", nil, err
	}
	if string(header[:6]) != "070701" {
		return "", nil, fmt.Errorf("header %q", header[:6])
	}
	field := func(i int) int {
		n, err := strconv.ParseUint(string(header[6+8*i:14+8*i]), 16, 32)
		if err != nil {
			n = 0
		}
		return int(n)
	}
	size, length := field(6), field(11)
	rest := make([]byte, (110+length+3)/4*4-110+(size+3)/4*4)
	if _, err := io.ReadFull(r, rest); err != nil {
		return "", nil, err
	}
	from := (110+length+3)/4*4 - 110
	return string(rest[:length-1]), rest[from : from+size], nil
}
