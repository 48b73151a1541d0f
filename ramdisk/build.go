package ramdisk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// builder holds what the steps of one build share.
type builder struct {
	Config
	ctx     context.Context
	scratch string // folder in Output, removed afterwards
	root    string // folder in scratch with the unstripped root
	kernel  string // version, as in its modules' folder
	notes   notes
	image   *image
	report  Report
}

// Build makes the boot folder. What was there serves on until the new tree is
// whole, and takes its place in one step; a build that fails changes nothing.
// Builds in the same folder wait for one another. Errors: [ErrNotRoot],
// [ErrNoMmdebstrap], those of package debian, and others that say what to do.
func Build(ctx context.Context, c Config) (Report, error) {
	if err := c.validate(); err != nil {
		return Report{}, err
	}
	if os.Geteuid() != 0 {
		return Report{}, ErrNotRoot
	}
	began := time.Now()
	// A strict umask of root's would keep the tree from `serve`, which is not root, and
	// show in the modes of what programs of the packages make.
	defer unix.Umask(unix.Umask(0o022))
	if err := os.MkdirAll(c.Output, 0o755); err != nil {
		return Report{}, err
	}
	b := &builder{Config: c, ctx: ctx}
	unlock, err := lock(ctx, c.Output, func() { b.step("waiting for another build in "+c.Output, "") })
	if err != nil {
		return Report{}, err
	}
	defer unlock()
	if b.scratch, err = scratchIn(c.Output); err != nil {
		return Report{}, err
	}
	defer os.RemoveAll(b.scratch)
	for _, step := range []func() error{b.unpackRoot, b.fill, b.write} {
		if err := step(); err != nil {
			return Report{}, err
		}
	}
	b.report.Seconds = time.Since(began).Seconds()
	return b.report, nil
}

func (b *builder) step(step, text string) { b.Progress(Progress{Step: step, Text: text}) }

// write makes the tree and puts it in place.
func (b *builder) write() error {
	tree := filepath.Join(b.scratch, treeDir)
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	b.step("boot loaders", "")
	if err := b.addLoaders(tree); err != nil {
		return err
	}
	used, err := b.writeInitrd(filepath.Join(tree, "initrd.img"))
	if err != nil {
		return err
	}
	b.step("putting it in place", "")
	if err := b.describe(tree); err != nil {
		return err
	}
	text, err := json.MarshalIndent(b.report.build(b), "", "\t")
	if err != nil {
		return err
	}
	// A crash between these two leaves a tree that build.json doesn't fit:
	// [Find] notices by the digests.
	if err := exchange(tree, filepath.Join(b.Output, treeDir)); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(b.Output, buildInfo), append(text, '\n')); err != nil {
		return err
	}
	b.forget(used)
	return nil
}

// writeInitrd joins the segments: the kernel unpacks one archive after the other,
// and so does `zstd -dc`.
func (b *builder) writeInitrd(path string) (used []string, err error) {
	out, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	for _, k := range kinds {
		if len(b.image.entries[k]) == 0 {
			continue
		}
		segment, err := b.segment(k)
		if err != nil {
			return nil, err
		}
		used = append(used, segment)
		in, err := os.Open(segment)
		if err != nil {
			return nil, err
		}
		n, err := io.Copy(out, in)
		in.Close()
		if err != nil {
			return nil, err
		}
		b.report.addPart(k, b.image.list(k), n)
	}
	return used, errors.Join(out.Sync(), out.Close())
}

// digest returns the size and the SHA-256 of a file.
func digest(path string) (f FileDigest, err error) {
	in, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer in.Close()
	sum := sha256.New()
	f.Bytes, err = io.Copy(sum, in)
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return f, err
}
