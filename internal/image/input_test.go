package image

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Every form of one content gives one image ID, whatever the file is called.
func TestEveryFormHasTheSameID(t *testing.T) {
	raw := diskLike(11, 2<<20+512) // whole sectors: virtual disks have no others
	half := len(raw)/2 + 99
	gz := func(b []byte) []byte { return filter(t, b, "gzip") }
	xz := func(b []byte, args ...string) []byte { return filter(t, b, "xz", args...) }
	zst := func(b []byte, args ...string) []byte { return filter(t, b, "zstd", args...) }
	bz := func(b []byte) []byte { return filter(t, b, "bzip2") }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	skip := []byte{0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'}
	forms := map[string][]byte{
		"raw":                  raw,
		"gzip":                 gz(raw),
		"gzip -1":              filter(t, raw, "gzip", "-1"),
		"gzip, two members":    join(gz(raw[:half]), gz(raw[half:])),
		"xz":                   xz(raw),
		"xz, many blocks":      xz(raw, "--block-size=512KiB", "-T2"),
		"xz, two streams":      join(xz(raw[:half]), xz(raw[half:])),
		"xz, padding":          join(xz(raw[:half]), make([]byte, 8), xz(raw[half:]), make([]byte, 4)),
		"xz, crc32":            xz(raw, "--check=crc32", "-9"),
		"zstd":                 zst(raw),
		"zstd -19 --long":      zst(raw, "-19", "--long=27"),
		"zstd, two frames":     join(zst(raw[:half]), zst(raw[half:])),
		"zstd, skippable":      join(skip, zst(raw[:half]), skip, skip, zst(raw[half:]), skip),
		"bzip2":                bz(raw),
		"bzip2, two streams":   join(bz(raw[:half]), bz(raw[half:])),
		"our own packed image": nil,
	}
	p, path := mustPack(t, writeFile(t, "raw", raw), PackOptions{})
	want := p.Manifest().ID()
	forms["our own packed image"], _ = os.ReadFile(path)
	for name, b := range forms {
		t.Run(name, func(t *testing.T) {
			p, _ := mustPack(t, writeFile(t, "misleading.zip", b), PackOptions{})
			if got := p.Manifest().ID(); got != want {
				t.Errorf("file: ID %v, want %v", got.Short(), want.Short())
			}
			onStdin(t, b)
			q, _ := mustPack(t, "-", PackOptions{})
			if got := q.Manifest().ID(); got != want {
				t.Errorf("stdin: ID %v, want %v", got.Short(), want.Short())
			}
		})
	}
}

// onStdin puts b into a pipe that is standard input until the test ends.
func onStdin(t *testing.T, b []byte) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	go func() {
		w.Write(b)
		w.Close()
	}()
	t.Cleanup(func() { os.Stdin = old; r.Close() })
}

func TestVirtualDisks(t *testing.T) {
	qemu := tool(t, "qemu-img")
	raw := diskLike(12, 2<<20)
	raw = append(raw, make([]byte, 4<<20-len(raw))...)
	in := writeFile(t, "raw", raw)
	p, _ := mustPack(t, in, PackOptions{})
	want := p.Manifest().ID()
	for _, form := range [][]string{{"qcow2"}, {"qcow2", "-c"}, {"vmdk"}, {"vmdk", "-o", "subformat=streamOptimized"}, {"vhdx"}} {
		t.Run(strings.Join(form, " "), func(t *testing.T) {
			disk := filepath.Join(t.TempDir(), "disk, with: odd name")
			args := append(append([]string{"convert", "-q", "-O"}, form...), in, disk)
			if out, err := exec.Command(qemu, args...).CombinedOutput(); err != nil {
				t.Fatalf("qemu-img: %v: %s", err, out)
			}
			b, err := os.ReadFile(disk)
			if err != nil {
				t.Fatal(err)
			}
			for how, input := range map[string]string{
				"file": disk, "stdin": "-", "gzip": writeFile(t, "x.gz", filter(t, b, "gzip", "-1")),
			} {
				if how == "stdin" {
					onStdin(t, b)
				}
				p, path := mustPack(t, input, PackOptions{})
				if got := p.Manifest().ID(); got != want {
					t.Errorf("%s: ID %v, want %v", how, got.Short(), want.Short())
				}
				if names := ls(t, filepath.Dir(path)); len(names) != 1 {
					t.Errorf("%s: left behind %v", how, names)
				}
			}
			refuse(t, writeFile(t, "half", b[:len(b)/2]), "")
		})
	}
}

func TestVirtualDisksThatAreNotAlone(t *testing.T) {
	qemu := tool(t, "qemu-img")
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(qemu, args...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img %v: %v: %s", args, err, out)
		}
	}
	run("create", "-q", "-f", "raw", path("base"), "1M")
	run("create", "-q", "-f", "qcow2", "-b", path("base"), "-F", "raw", path("backed.qcow2"))
	run("create", "-q", "-f", "qcow2", "-o", "data_file="+path("data"), path("external.qcow2"), "1M")
	run("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", path("flat.vmdk"), "1M")
	run("create", "-q", "-f", "vmdk", path("parent.vmdk"), "1M")
	run("create", "-q", "-f", "vmdk", "-b", path("parent.vmdk"), "-F", "vmdk", path("child.vmdk"))
	for name, want := range map[string]string{
		"backed.qcow2": "has a backing file", "external.qcow2": "in another file",
		"flat.vmdk": "in another file", "child.vmdk": "vmdk image",
	} {
		refuse(t, path(name), want)
	}
	t.Setenv("PATH", dir)
	refuse(t, path("backed.qcow2"), "apt install qemu-utils")
}

// refuse checks that input is an error that names it and says why, and that
// neither an output nor a cache keeps anything of it.
func refuse(t *testing.T, input, want string) {
	t.Helper()
	dir := t.TempDir()
	p, err := Pack(t.Context(), input, filepath.Join(dir, "out"), PackOptions{})
	if err == nil {
		p.Close()
		t.Errorf("%s (%s) was packed", input, want)
		return
	}
	name := input
	if input == "-" {
		name = "standard input"
	}
	if s := err.Error(); !strings.Contains(s, name) || !strings.Contains(s, want) || strings.Contains(s, "\n") {
		t.Errorf("%s: error %q, want one line with %q", input, s, want)
	}
	if input != "-" {
		if p, err := (Cache{dir}).Get(t.Context(), input, PackOptions{}); err == nil {
			p.Close()
			t.Errorf("%s is in the cache", input)
		}
	}
	if names := ls(t, dir); len(names) > 0 && names[0] != "out" || len(names) > 1 {
		t.Errorf("%s: left behind %v", input, names)
	}
}

func TestRefusedInputs(t *testing.T) {
	dir := t.TempDir()
	refuse(t, filepath.Join(dir, "missing"), "check the path")
	refuse(t, dir, "is a directory")
	refuse(t, writeFile(t, "empty", nil), "is empty")
	refuse(t, "/dev/zero", "character device")
	onStdin(t, nil)
	refuse(t, "-", "is empty")
	raw := noise(1, 600<<10)
	for _, c := range [][]string{{"gzip"}, {"xz"}, {"zstd"}, {"bzip2"}} {
		b := filter(t, raw, c[0])
		refuse(t, writeFile(t, "empty."+c[0], filter(t, nil, c[0])), "is empty")
		refuse(t, writeFile(t, "cut."+c[0], b[:len(b)-1]), "ends early")
		refuse(t, writeFile(t, "garbage."+c[0], append(bytes.Clone(b), "garbage, more than a header"...)), "something follows")
		refuse(t, writeFile(t, "twice."+c[0], filter(t, b, c[0])), "compressed twice")
		onStdin(t, b[:len(b)/2])
		refuse(t, "-", "ends early")
	}
	refuse(t, writeFile(t, "x", []byte("PK\x03\x04 and so on")), "zip archive")
	refuse(t, writeFile(t, "x", []byte("conectix and so on")), "qemu-img convert")
}

func TestBlockDeviceInput(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	losetup := tool(t, "losetup")
	raw := diskLike(13, 3<<20)
	out, err := exec.Command(losetup, "-f", "--show", "-r", writeFile(t, "raw", raw)).Output()
	if err != nil {
		t.Skipf("no loop device: %v", err)
	}
	dev := strings.TrimSpace(string(out))
	defer exec.Command(losetup, "-d", dev).Run()
	_, path := mustPack(t, dev, PackOptions{})
	if got := unpack(t, path); sha(got) != sha(raw) {
		t.Error("the packed image is not the device's content")
	}
	dir := t.TempDir()
	p, err := Cache{dir}.Get(t.Context(), dev, PackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if names := ls(t, dir); len(names) != 0 {
		t.Errorf("a device has no state to recognise it by, yet the cache keeps %v", names)
	}
}

// A pipe by name works like standard input.
func TestFIFOInput(t *testing.T) {
	raw := diskLike(14, 2<<20)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	gz := filter(t, raw, "gzip")
	go func() {
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err == nil {
			io.Copy(w, bytes.NewReader(gz))
			w.Close()
		}
	}()
	_, path := mustPack(t, fifo, PackOptions{})
	if got := unpack(t, path); sha(got) != sha(raw) {
		t.Error("the packed image is not what was written")
	}
}
