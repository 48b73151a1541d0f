package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// ErrNoQemu: the input is a virtual disk and qemu-img is not installed.
var ErrNoQemu = errors.New("qemu-img is not installed: apt install qemu-utils")

// The child sees the virtual disk and the raw file as these, whatever their
// names are: qemu-img takes "nbd:…" and "json:…" for more than names.
const (
	fdVirtual = "/dev/fd/3"
	fdRaw     = "/dev/fd/4"
)

// A conversion runs qemu-img on one virtual disk.
type conversion struct {
	name    string
	form    Form
	virtual *os.File
}

// convert makes s.Raw the content of the virtual disk, in a sparse file made
// by scratch. What comes through r and is no file is first saved in another.
func (in *Input) convert(ctx context.Context, s *Source, form Form, r io.Reader, save bool, scratch func() (*os.File, error)) error {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		return fmt.Errorf("image %s is a %v disk: %w", in.name, form, ErrNoQemu)
	}
	c := conversion{name: in.name, form: form, virtual: in.file}
	if save {
		f, err := scratch()
		if err != nil {
			return fmt.Errorf("temporary file for %s: %w", in.name, err)
		}
		defer f.Close()
		if _, err := io.Copy(f, r); err != nil {
			return fmt.Errorf("save %v image %s to convert it: %w", form, in.name, err)
		}
		c.virtual = f
	}
	size, err := c.inspect(ctx)
	if err != nil {
		return err
	}
	raw, err := scratch()
	if err != nil {
		return fmt.Errorf("temporary file for %s: %w", in.name, err)
	}
	s.closers = append(s.closers, func() { raw.Close() })
	if err := raw.Truncate(size); err != nil {
		return fmt.Errorf("temporary file of %d bytes for %s: %w", size, in.name, err)
	}
	_, err = c.run(ctx, raw, "convert", "-n", "--target-is-zero", "-f", form.String(), "-O", "raw", fdVirtual, fdRaw)
	if err != nil {
		return err
	}
	s.Raw, s.Size = &Raw{file: raw, size: size}, size
	return nil
}

// inspect returns the size of the virtual disk in bytes. It refuses one whose
// content is not all in this file, and one that is damaged: qemu-img convert
// reads the missing end of a truncated file as zeros.
func (c *conversion) inspect(ctx context.Context) (int64, error) {
	if err := c.checkQcow2(); err != nil {
		return 0, err
	}
	out, err := c.run(ctx, nil, "info", "--output=json", "-f", c.form.String(), fdVirtual)
	if err != nil {
		return 0, err
	}
	var info diskInfo
	if err := json.Unmarshal(out, &info); err != nil {
		return 0, fmt.Errorf("%v image %s: answer of qemu-img info: %w", c.form, c.name, err)
	}
	if why := info.external(); why != "" {
		return 0, c.notAlone(why)
	}
	if info.Encrypted {
		return 0, fmt.Errorf("%v image %s is encrypted: decrypt it first with qemu-img convert", c.form, c.name)
	}
	if info.VirtualSize <= 0 {
		return 0, errEmpty(c.name)
	}
	if _, err := c.run(ctx, nil, "check", "-q", "-f", c.form.String(), fdVirtual); err != nil {
		var exit *exec.ExitError
		const leaks = 3 // clusters that nothing refers to: harmless
		if !errors.As(err, &exit) || exit.ExitCode() != leaks {
			return 0, err
		}
	}
	return info.VirtualSize, nil
}

// checkQcow2 refuses external files before qemu-img opens them: a qcow2 from
// elsewhere may name any file of this machine as its content.
func (c *conversion) checkQcow2() error {
	if c.form != FormQcow2 {
		return nil
	}
	var h [80]byte // QEMU docs/interop/qcow2.txt: offset 8 backing file, 72 incompatible features
	n, err := c.virtual.ReadAt(h[:], 0)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read %s: %w", c.name, err)
	}
	version := binary.BigEndian.Uint32(h[4:])
	const externalData = 1 << 2
	switch {
	case n < 72 || version >= 3 && n < len(h):
		return fmt.Errorf("%v image %s: %w", c.form, c.name, errTruncated)
	case binary.BigEndian.Uint64(h[8:]) != 0:
		return c.notAlone("has a backing file")
	case version >= 3 && binary.BigEndian.Uint64(h[72:])&externalData != 0:
		return c.notAlone("keeps its data in another file")
	}
	return nil
}

func (c *conversion) notAlone(why string) error {
	return fmt.Errorf("%v image %s %s: flatten it first: qemu-img convert -O qcow2 IMAGE flat.qcow2", c.form, c.name, why)
}

// diskInfo is the part of qemu-img info's JSON that decides.
type diskInfo struct {
	VirtualSize int64  `json:"virtual-size"`
	Backing     string `json:"backing-filename"`
	Encrypted   bool   `json:"encrypted"`
	Specific    struct {
		Data struct {
			DataFile  string  `json:"data-file"`
			ParentCID *uint32 `json:"parent-cid"`
			Extents   []struct {
				Filename string `json:"filename"`
			} `json:"extents"`
		} `json:"data"`
	} `json:"format-specific"`
}

// external says what of the disk lives in other files, "" when nothing does.
func (i *diskInfo) external() string {
	const noParent = 0xffffffff // VMware Virtual Disk Format 5.0, "parentCID"
	d := i.Specific.Data
	switch {
	case i.Backing != "", d.ParentCID != nil && *d.ParentCID != noParent:
		return "has a backing file"
	case d.DataFile != "":
		return "keeps its data in another file"
	}
	for _, e := range d.Extents {
		if e.Filename != fdVirtual {
			return "keeps its data in another file"
		}
	}
	return ""
}

// run runs qemu-img and returns its standard output.
func (c *conversion) run(ctx context.Context, raw *os.File, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "qemu-img", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.ExtraFiles = []*os.File{c.virtual}
	if raw != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, raw)
	}
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	return nil, fmt.Errorf("%v image %s: qemu-img %s: %w: %s", c.form, c.name, args[0], err, lastLine(msg.String()+out.String(), c.name))
}

// lastLine returns the last line of what qemu-img said, which names the cause,
// with the file's name in place of our descriptor's.
func lastLine(s, name string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	last := strings.TrimPrefix(lines[len(lines)-1], "qemu-img: ")
	return strings.ReplaceAll(last, fdVirtual, name)
}
