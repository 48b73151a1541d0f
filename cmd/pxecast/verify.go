package main

import (
	"errors"
	"fmt"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/urfave/cli/v2"
)

func (p *program) verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check that a disk holds exactly an image, or that a packed image is sound",
		UsageText: "pxecast verify PACKED [--disk DISK]", ArgsUsage: "PACKED",
		Description: "Reads DISK past the page cache and compares every block with its digest. The exit status\n" +
			"is 0 only if all are right; what a larger disk has behind the image is not looked at.\n" +
			"PACKED may also be an image that is not packed yet. Without --disk, PACKED itself is read\n" +
			"and checked: has its own disk damaged it?\n\n" +
			examples("pxecast verify lab.img.zst --disk /dev/sda", "pxecast verify lab.img.zst"),
		Flags:  []cli.Flag{diskFlag("the disk, partition or image file `DISK` to read")},
		Action: p.verify,
	}
}

func (p *program) verify(c *cli.Context) error {
	path := c.String("disk")
	if path == "" {
		return p.verifyPacked(c, c.Args().First())
	}
	d, err := disk.OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer d.Close()
	input := c.Args().First()
	packed, err := fromCache(c.Context, input, image.PackOptions{Progress: p.progress("checking", image.NameOf(input), &events{}).show})
	p.screen.Clear()
	if err != nil {
		return err
	}
	defer packed.Close()
	m := packed.Manifest()
	err = image.VerifyDisk(c.Context, m, d, d.Info().Size, p.progress("verifying", path, &events{}).show)
	p.screen.Clear()
	var wrong *image.MismatchError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s does not hold %s: %w", path, screen.Safe(input), err)
	} else if err != nil {
		return err
	}
	beyond := ""
	if rest := d.Info().Size - m.RawSize(); rest > 0 {
		beyond = "; the " + screen.Bytes(rest) + " of disk behind it are not looked at"
	}
	_, err = fmt.Fprintf(p.out, "%s holds exactly %s: all %d blocks, %s, are right, image ID %s%s\n",
		path, input, m.Blocks(), screen.Bytes(m.RawSize()), m.ID().Short(), beyond)
	return err
}

// verifyPacked reads a packed image and checks every frame of it.
func (p *program) verifyPacked(c *cli.Context, path string) error {
	packed, err := image.Open(path)
	if errors.Is(err, image.ErrNotPacked) {
		return cmdline.Usagef("%s is not a packed image: give the packed one, or a disk to compare with by --disk DISK", screen.Safe(path))
	} else if err != nil {
		return err
	}
	defer packed.Close()
	err = packed.Verify(c.Context, p.progress("checking", path, &events{}).show)
	p.screen.Clear()
	if err != nil {
		return err
	}
	m := packed.Manifest()
	_, err = fmt.Fprintf(p.out, "%s is sound: all %d blocks, %s, are right, image ID %s\n",
		path, m.Blocks(), screen.Bytes(m.RawSize()), m.ID().Short())
	return err
}
