package ramdisk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// segmentsDir keeps the compressed parts of the image by the digest of what is
// in them: a rebuild compresses only what changed.
const segmentsDir = "segments"

// level is how hard each kind is compressed. Modules and what is kept come
// compressed as well as can be; the program is new with every version, and the
// last levels would take longer than the rest of a rebuild.
var level = map[kind]int{kindModules: 6, kindFirmware: 19, kindPrograms: 19, kindExtra: 12, kindPxecast: 12, kindSettings: 19}

// segment returns a file with one kind of the image as a compressed archive. It
// is the old one if it would be the same.
func (b *builder) segment(k kind) (string, error) {
	raw := filepath.Join(b.scratch, "segment.cpio")
	digest, err := b.writeSegment(raw, k)
	if err != nil {
		return "", err
	}
	name := digest + "-" + strconv.Itoa(level[k]) + ".zst"
	path := filepath.Join(b.Output, segmentsDir, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	b.step("compressing", string(k))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	temp := filepath.Join(b.scratch, name)
	if err := b.compress(raw, temp, level[k]); err != nil {
		return "", err
	}
	// Flushed first: after a power cut the name must not stand for half an archive, which
	// later builds would take.
	if err := syncFile(temp); err != nil {
		return "", err
	}
	return path, os.Rename(temp, path)
}

func (b *builder) writeSegment(raw string, k kind) (digest string, err error) {
	f, err := os.Create(raw)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if err := writeCpio(io.MultiWriter(f, sum), b.image.list(k), b.Epoch); err != nil {
		return "", fmt.Errorf("%s: %w", k, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), f.Close()
}

// compress runs the zstd of the unstripped root, so that the bytes don't depend
// on this machine's, always with as many threads.
func (b *builder) compress(from, to string, level int) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := inRoot(b.ctx, b.root, "/usr/bin/zstd", "-q", "-T2", "-"+strconv.Itoa(level), "-c")
	cmd.Stdin, cmd.Stdout = in, out
	if _, err := output(b.ctx, cmd); err != nil {
		return err
	}
	return out.Close()
}

// forget removes the segments that no image in the output folder has any more.
func (b *builder) forget(used []string) {
	all, _ := filepath.Glob(filepath.Join(b.Output, segmentsDir, "*.zst"))
	for _, path := range all {
		keep := false
		for _, u := range used {
			keep = keep || u == path
		}
		if !keep {
			os.Remove(path) // a spare copy: next time is soon enough
		}
	}
}
