package main

import (
	"errors"
	"fmt"

	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/internal/image/source"
	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/protocol"
	"github.com/urfave/cli/v2"
)

func (p *program) inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "show what an image is, at once",
		UsageText: "pxecast inspect IMAGE|PACKED [--json]", ArgsUsage: "IMAGE",
		Description: "Reads only what tells the form and, of a packed image, the manifest. An image that was\n" +
			"packed into the cache is described as it is there; `pack` does that.\n\n" +
			examples("pxecast inspect lab.img.zst", "pxecast inspect lab.img.gz --json"),
		Flags:  []cli.Flag{jsonFlag("print one JSON object")},
		Action: p.inspect,
	}
}

// description is what inspect finds out; what it does not know is null.
type imageDescription struct {
	Name        string  `json:"name"`
	Form        string  `json:"form"`
	StoredBytes int64   `json:"stored_bytes"` // of the file that was asked about
	Packed      *string `json:"packed"`       // path of the packed image
	ImageID     *string `json:"image_id"`
	RawBytes    *int64  `json:"raw_bytes"`
	PackedBytes *int64  `json:"packed_bytes"`
	BlockBytes  int     `json:"block_bytes"`
	Blocks      *int    `json:"blocks"`
	DataBlocks  *int    `json:"data_blocks"`
	ZeroBlocks  *int    `json:"zero_blocks"`
}

func (p *program) inspect(c *cli.Context) error {
	d, err := describe(c.Args().First())
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.object(d)
	}
	for _, l := range d.lines() {
		if _, err := fmt.Fprintln(p.out, l); err != nil {
			return err
		}
	}
	return nil
}

// describe finds out what the image at path is without reading all of it.
func describe(path string) (imageDescription, error) {
	in, err := source.Open(path)
	if err != nil {
		return imageDescription{}, err
	}
	defer in.Close()
	d := imageDescription{Name: image.NameOf(path), StoredBytes: in.Stat().Size, BlockBytes: protocol.BlockSize}
	packed, err := image.Open(path)
	if err == nil {
		d.Form = "packed image"
	} else if !errors.Is(err, image.ErrNotPacked) {
		return d, err
	} else {
		form, known, err := in.Form()
		if err != nil {
			return d, err
		}
		if d.Form = form.String(); !known {
			d.Form = "stream"
		} else if form == source.FormRaw {
			d.RawBytes = &d.StoredBytes
		}
		if packed = cached(path); packed == nil {
			return d, nil
		}
	}
	defer packed.Close()
	m := packed.Manifest()
	at, raw, size := packed.Name(), m.RawSize(), m.PackedSize()
	blocks, data := m.Blocks(), m.DataBlocks()
	zero := blocks - data
	d.Packed, d.ImageID, d.RawBytes, d.PackedBytes = &at, idText(m.ID()), &raw, &size
	d.Blocks, d.DataBlocks, d.ZeroBlocks = &blocks, &data, &zero
	return d, nil
}

func (d *imageDescription) lines() []string {
	t := screen.Table{Columns: []screen.Column{{}, {}}}
	add := func(name, format string, args ...any) {
		t.Rows = append(t.Rows, []string{name, screen.Safe(fmt.Sprintf(format, args...))})
	}
	add("name", "%s", d.Name)
	add("form", "%s, %s (%d bytes)", d.Form, screen.Bytes(d.StoredBytes), d.StoredBytes)
	if d.RawBytes != nil {
		add("raw size", "%s (%d bytes)", screen.Bytes(*d.RawBytes), *d.RawBytes)
	}
	if d.ImageID == nil {
		add("packed", "not yet: `pxecast pack` or `pxecast send` does it, and then more is known")
		return t.Lines()
	}
	add("packed size", "%s (%d bytes), %.2f : 1", screen.Bytes(*d.PackedBytes), *d.PackedBytes, float64(*d.RawBytes)/float64(*d.PackedBytes))
	add("blocks", "%d of %d bytes: %d data, %d zero", *d.Blocks, d.BlockBytes, *d.DataBlocks, *d.ZeroBlocks)
	add("image ID", "%s", *d.ImageID)
	if d.Form != "packed image" {
		add("packed image", "%s", *d.Packed)
	}
	return t.Lines()
}
