package main

import (
	"errors"
	"fmt"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/screen"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/urfave/cli/v2"
)

func (p *program) verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "check that a disk holds exactly an image",
		UsageText: "pxecast verify PACKED --disk DISK", ArgsUsage: "PACKED",
		Description: "Reads DISK past the page cache and compares every block with its digest. The exit status\n" +
			"is 0 only if all are right. PACKED may also be an image that is not packed yet.\n\n" +
			examples("pxecast verify lab.img.zst --disk /dev/sda"),
		Flags:  []cli.Flag{diskFlag("the disk, partition or image file `DISK` to read")},
		Action: p.verify,
	}
}

func (p *program) verify(c *cli.Context) error {
	path, err := needDisk(c)
	if err != nil {
		return err
	}
	d, err := disk.OpenReadOnly(path)
	if err != nil {
		return err
	}
	defer d.Close()
	input := c.Args().First()
	packed, err := fromCache(c.Context, input, image.PackOptions{Progress: p.progress("checking", imageName(input), &events{}).show})
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
