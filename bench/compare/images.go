package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pxecast/pxecast/bench/disks"
	"github.com/pxecast/pxecast/bench/report"
)

// source is an image to send.
type source int

const (
	debianDisk  source = iota
	debianLarge        // of 2 GiB
	noiseDisk
	noiseQuick
	noiseLarge // of 2 GiB, nearly
)

const (
	noiseSize  = 489 << 20 // bytes: more than 512 MB, which the goals on the wire want
	quickSize  = 128 << 20
	largeSize  = 4 * noiseSize
	noiseSeed  = 1
	debianMB   = 1074.0
	megabyte   = 1e6
	packedPart = 0.19 // of a Debian disk, packed
)

// image is the name in reports: a smaller one of a kind is told by its size.
func (s source) image() string {
	switch s {
	case noiseDisk, noiseQuick, noiseLarge:
		return report.Noise
	}
	return report.Debian
}

// rawMB is about the disk's size in 10⁶ bytes, for plans.
func (s source) rawMB() float64 {
	return []float64{debianMB, 2 * debianMB, noiseSize / megabyte, quickSize / megabyte, largeSize / megabyte}[s]
}

// packedMB is about what of it is sent.
func (s source) packedMB() float64 {
	if s.image() == report.Noise {
		return s.rawMB()
	}
	return s.rawMB() * packedPart
}

// onWire adds the headers of datagrams to so many MB.
func (source) onWire(mb float64) float64 { return mb * 1490 / 1408 }

func (s source) make(ctx context.Context, cache string, log io.Writer) (disks.Disk, error) {
	switch s {
	case debianLarge:
		return disks.Debian(ctx, cache, log)
	case noiseDisk:
		return disks.Noise(ctx, cache, noiseSize, noiseSeed)
	case noiseQuick:
		return disks.Noise(ctx, cache, quickSize, noiseSeed)
	case noiseLarge:
		return disks.Noise(ctx, cache, largeSize, noiseSeed)
	}
	return disks.DebianSmall(ctx, cache, log)
}

// ready is an image in all forms that contenders send.
type ready struct {
	disk        disks.Disk
	files       files
	packed      string // path
	packedBytes int64
}

// prepare makes the forms of an image in the folder work: unpacked, packed into
// pxecast's cache, and compressed by zstd if that is wanted.
func prepare(ctx context.Context, s source, work, program string, zstd bool, log io.Writer) (ready, error) {
	cache, err := disks.CacheDir()
	if err != nil {
		return ready{}, err
	}
	disk, err := s.make(ctx, cache, log)
	if err != nil {
		return ready{}, err
	}
	r := ready{disk: disk, files: files{Gzip: disk.Path, Raw: filepath.Join(work, "disk.img")}}
	if err := disk.Raw(ctx, r.files.Raw); err != nil {
		return ready{}, err
	}
	pack := exec.CommandContext(ctx, program, "pack", disk.Path)
	pack.Env = environment(work, cacheOf(work))
	out, err := pack.Output()
	if err != nil {
		return ready{}, errors.Join(fmt.Errorf("pxecast pack: %w: %s", err, said(err)), r.remove())
	}
	r.packed = strings.TrimSpace(string(out))
	info, err := os.Stat(r.packed)
	if err != nil {
		return ready{}, errors.Join(err, r.remove())
	}
	r.packedBytes = info.Size()
	if zstd {
		r.files.Zstd = r.files.Raw + ".zst"
		if out, err := exec.CommandContext(ctx, "zstd", "-q", "-f", "-T0", "-9", r.files.Raw, "-o", r.files.Zstd).CombinedOutput(); err != nil {
			return ready{}, errors.Join(fmt.Errorf("zstd: %w: %s", err, out), r.remove())
		}
	}
	return r, nil
}

// remove frees the memory.
func (r ready) remove() error {
	var err error
	for _, name := range []string{r.files.Raw, r.files.Zstd, r.packed} {
		if name != "" {
			err = errors.Join(err, os.RemoveAll(name))
		}
	}
	return err
}

func said(err error) []byte {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.Stderr
	}
	return nil
}
