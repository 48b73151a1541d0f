package machines

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/pxecast/pxecast/bench/disks"
)

// keyFile is the server's key in this run.
func keyFile() string { return filepath.Join(run.folder, "key") }

// pxecast runs the program on this machine.
func pxecast(args ...string) ([]byte, error) {
	cmd := exec.Command(run.program, args...)
	cmd.Env = append(os.Environ(), "PXECAST_CACHE="+filepath.Join(run.folder, "cache"), "PXECAST_KEY="+keyFile())
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("pxecast %s: %w: %s", strings.Join(args, " "), err, said.String())
	}
	return out, nil
}

// makeImage makes the lean Debian, or finds it.
func makeImage() (disks.Disk, error) {
	cache, err := disks.CacheDir()
	if err != nil {
		return disks.Disk{}, err
	}
	return disks.DebianLean(context.Background(), cache, os.Stderr)
}

// unpack makes a raw file of it.
func unpack() (string, error) {
	image, err := run.image()
	if err != nil {
		return "", err
	}
	path := filepath.Join(run.folder, "image.raw")
	return path, image.Raw(context.Background(), path)
}

// pack makes a packed image of it, which every library takes as it is.
func pack() (string, error) {
	image, err := run.image()
	if err != nil {
		return "", err
	}
	path := filepath.Join(run.folder, "debian.img.zst")
	_, err = pxecast("pack", image.Path, "--output", path)
	return path, err
}

// makeBoot builds the ramdisk with this run's program and key. Its root is kept
// between runs, so that only the first run installs packages.
func makeBoot() (string, error) {
	cache, err := disks.CacheDir()
	if err != nil {
		return "", err
	}
	out, err := pxecast("key", "--json")
	if err != nil {
		return "", err
	}
	var key struct {
		PublicKey string `json:"public_key"`
	}
	if err := json.Unmarshal(out, &key); err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "boot")
	_, err = pxecast("ramdisk", "build", "--output", folder, "--trust", key.PublicKey)
	return folder, err
}

// library makes a folder of images: Debian, under this name, and what is in more.
func (r *room) library(more map[string]string) string {
	r.Helper()
	packed, err := run.packed()
	if err != nil {
		r.Fatal(err)
	}
	folder := filepath.Join(r.folder, "images")
	files := map[string]string{"debian.d/title": "Debian", "debian.d/description": "a small Debian that boots by BIOS and UEFI"}
	for name, text := range more {
		files[name] = text
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
	if err := os.Link(packed, filepath.Join(folder, "debian.img.zst")); err != nil {
		r.Fatal(err)
	}
	return folder
}

// noise is a disk image of a few blocks.
var noise = sync.OnceValue(func() string {
	b := make([]byte, 4<<20)
	rand.Read(b)
	return string(b)
})
