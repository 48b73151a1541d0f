package ramdisk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// later are the parts of root.tar that are unpacked file by file, when it is
// known which: three quarters of it are modules and firmware for other machines.
// superseded are those that never are: the first half of the strip step.
var (
	later      = []string{"./usr/lib/modules/*/kernel/*", "./usr/lib/firmware/*"}
	superseded = []string{"./dev/*", "./usr/share/doc/*", "./usr/share/man/*", "./usr/share/info/*", "./usr/share/locale/*"}
)

// unpackRoot unpacks root.tar, fetched now if it has to be.
func (b *builder) unpackRoot() error {
	facts, kept := keptRoot(b.Output, &b.Config)
	if !kept || b.Fresh {
		var err error
		if facts, err = b.fetchRoot(b.Output, b.scratch); err != nil {
			return err
		}
		kept = false
	}
	b.report.RootReused, b.report.Codename, b.report.Note = kept, facts.Codename, facts.Note
	b.step("unpacking root.tar", "")
	b.root = filepath.Join(b.scratch, "root")
	if err := os.Mkdir(b.root, 0o755); err != nil {
		return err
	}
	var args []string
	for _, pattern := range append(later, superseded...) {
		args = append(args, "--exclude="+pattern)
	}
	if err := b.tar("", args...); err != nil {
		return err
	}
	modules, err := os.ReadDir(filepath.Join(b.root, "usr/lib/modules"))
	if err != nil || len(modules) != 1 {
		return fmt.Errorf("root.tar holds modules of %d kernels, want one: build with --fresh", len(modules))
	}
	b.kernel = modules[0].Name()
	if b.notes, err = readNotes(b.root); err != nil {
		return fmt.Errorf("root.tar: %w: build with --fresh", err)
	}
	if b.Epoch == 0 {
		if b.Epoch, err = newest(b.ctx, b.root); err != nil {
			return err
		}
	}
	b.image = newImage(b.root, b.notes.owner)
	return nil
}

// unpack unpacks more files of root.tar, by their paths in it.
func (b *builder) unpack(paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	return b.tar("."+strings.Join(paths, "\x00.")+"\x00", "--null", "--files-from=-")
}

// unpackLinked unpacks files and, as far as root.tar has it, what they link to.
func (b *builder) unpackLinked(paths []string) error {
	for len(paths) > 0 {
		if err := b.unpack(paths); err != nil {
			return err
		}
		var targets []string
		for _, p := range paths {
			target, err := os.Readlink(filepath.Join(b.root, p))
			if err != nil {
				continue // not a link
			}
			target = joinLink(p, target)
			_, there := b.notes.owner[target]
			if _, err := os.Lstat(filepath.Join(b.root, target)); there && err != nil {
				targets = append(targets, target)
			}
		}
		paths = targets
	}
	return nil
}

func (b *builder) tar(stdin string, args ...string) error {
	cmd := command(b.ctx, "tar", append([]string{"-xf", filepath.Join(b.Output, rootTar), "-C", b.root, "--keep-directory-symlink"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	_, err := output(b.ctx, cmd)
	return err
}
