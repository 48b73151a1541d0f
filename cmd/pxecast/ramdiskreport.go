package main

import (
	"fmt"

	"github.com/pxecast/pxecast/internal/screen"
	"github.com/pxecast/pxecast/ramdisk"
)

// ramdiskReport is what `ramdisk build --json` prints.
type ramdiskReport struct {
	Output          string            `json:"output"`
	Suite           string            `json:"suite"`
	Kernel          string            `json:"kernel"`
	KernelBytes     int64             `json:"kernel_bytes"`
	InitrdBytes     int64             `json:"initrd_bytes"`
	Parts           []ramdisk.Part    `json:"parts"`
	Packages        []ramdisk.Package `json:"packages"`
	MissingFirmware []string          `json:"missing_firmware"`
	RootReused      bool              `json:"root_reused"`
	Note            *string           `json:"note"`
	Seconds         float64           `json:"seconds"`
}

func ramdiskObject(c ramdisk.Config, r ramdisk.Report) ramdiskReport {
	return ramdiskReport{
		Output: c.Output, Suite: r.Codename, Kernel: r.Kernel, KernelBytes: r.KernelBytes, InitrdBytes: r.InitrdBytes, Parts: r.Parts,
		Packages: r.Packages, MissingFirmware: append([]string{}, r.MissingFirmware...), RootReused: r.RootReused, Note: orNull(r.Note), Seconds: millis(r.Seconds),
	}
}

// showRamdisk prints what takes how much space: on the wire by kind, in memory
// by kind and by package.
func (p *program) showRamdisk(r ramdisk.Report) error {
	t := screen.Table{Columns: []screen.Column{{Name: "KIND"}, {Name: "FILES", Right: true}, {Name: "IN MEMORY", Right: true}, {Name: "ON THE WIRE", Right: true}}}
	var files int
	var bytes int64
	for _, part := range r.Parts {
		files, bytes = files+part.Files, bytes+part.Bytes
		t.Rows = append(t.Rows, []string{part.Kind, fmt.Sprint(part.Files), screen.Bytes(part.Bytes), screen.Bytes(part.Packed)})
	}
	t.Rows = append(t.Rows, []string{"ramdisk", fmt.Sprint(files), screen.Bytes(bytes), screen.Bytes(r.InitrdBytes)},
		[]string{"kernel", "1", "", screen.Bytes(r.KernelBytes)},
		[]string{"together", "", "", screen.Bytes(r.KernelBytes + r.InitrdBytes)})
	packages := screen.Table{Columns: []screen.Column{{Name: "PACKAGE"}, {Name: "VERSION"}, {Name: "FILES", Right: true}, {Name: "IN MEMORY", Right: true}}}
	for _, k := range r.Packages {
		size := screen.Bytes(k.Bytes)
		if k.Files == 0 {
			size = "boots only"
		}
		packages.Rows = append(packages.Rows, []string{k.Name, k.Version, fmt.Sprint(k.Files), size})
	}
	for _, l := range append(append(t.Lines(), ""), packages.Lines()...) {
		if _, err := fmt.Fprintln(p.out, l); err != nil {
			return err
		}
	}
	if n := len(r.MissingFirmware); n > 0 {
		_, err := fmt.Fprintf(p.out, "\n%d firmware files that modules name are in no package of Debian's: --json lists them\n", n)
		return err
	}
	return nil
}
