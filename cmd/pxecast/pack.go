package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/source"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/urfave/cli/v2"
)

func (p *program) packCommand() *cli.Command {
	return &cli.Command{
		Name: "pack", Usage: "pack an image for sending",
		UsageText: "pxecast pack IMAGE [--output FILE] [--level default|better]", ArgsUsage: "IMAGE",
		Description: "IMAGE is a disk image, raw or as gzip, xz, zstd, bzip2, qcow2, vmdk or vhdx, or - for\n" +
			"standard input, which needs --output. Without it a file's packed image goes into the cache,\n" +
			"where `send` finds it. What it prints is the path. A packed image is a plain .zst file: `zstd -dc FILE > DISK` restores it.\n\n" +
			examples("pxecast pack lab.img.gz", "pxecast pack lab.qcow2 --output lab.img.zst --level better",
				"ssh lab dd if=/dev/sda | pxecast pack - --output lab.img.zst"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Usage: "write the packed image to `FILE`"},
			levelFlag(),
		},
		Action: p.pack,
	}
}

func (p *program) pack(c *cli.Context) error {
	input, output := c.Args().First(), c.String("output")
	l, err := level(c)
	if err != nil {
		return err
	}
	if output == source.Stdin {
		return cmdline.Usagef("--output -: the packed image needs a file, since its parts are looked up in it: give --output FILE")
	}
	if input == source.Stdin && output == "" {
		return cmdline.Usagef("pack - needs --output FILE: what came from standard input is not found again in the cache")
	}
	began := time.Now()
	opts := image.PackOptions{Level: l, Progress: p.progress("packing", image.NameOf(input), &events{}).show}
	packed, err := packTo(c.Context, input, output, opts)
	p.screen.Clear()
	if err != nil {
		return err
	}
	defer packed.Close()
	m := packed.Manifest()
	p.screen.Say("packed %s: %s to %s (%.2f : 1) in %s, image ID %s", screen.Safe(input), screen.Bytes(m.RawSize()), screen.Bytes(m.PackedSize()),
		float64(m.RawSize())/float64(m.PackedSize()), screen.Duration(time.Since(began)), m.ID().Short())
	_, err = fmt.Fprintln(p.out, packed.Name())
	return err
}

// packTo packs into the file output, or into the cache if that is "".
func packTo(ctx context.Context, input, output string, opts image.PackOptions) (*image.Packed, error) {
	if output == "" {
		return fromCache(ctx, input, opts)
	}
	a, errA := os.Stat(input)
	b, errB := os.Stat(output)
	if errA == nil && errB == nil && os.SameFile(a, b) {
		return nil, fmt.Errorf("--output %s is the image itself: choose another file", output)
	}
	if errB == nil && b.IsDir() {
		return nil, fmt.Errorf("--output %s is a directory: name a file in it, such as %s", output, filepath.Join(output, image.NameOf(input)+".img.zst"))
	}
	if errB == nil && !b.Mode().IsRegular() {
		return nil, fmt.Errorf("--output %s is not a regular file, and would be replaced: choose another file", output)
	}
	return image.Pack(ctx, input, output, opts)
}

// fromCache returns the packed image of input, packed now if it must be.
func fromCache(ctx context.Context, input string, opts image.PackOptions) (*image.Packed, error) {
	cache, err := image.DefaultCache()
	if err != nil {
		return nil, err
	}
	return cache.Get(ctx, input, opts)
}
