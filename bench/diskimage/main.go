// Diskimage makes the real disk image of demo and benchmarks in a folder, unless
// it is there already, and says where it is:
//
//	go run ./bench/diskimage -out DIR
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/pxecast/pxecast/bench/disks"
)

func main() {
	out := flag.String("out", "", "folder that keeps the image (default: pxecast-bench in the cache folder)")
	noise := flag.Int64("noise", 0, "make an incompressible image of this many MiB instead")
	seed := flag.Uint64("seed", 1, "seed of the incompressible image")
	small := flag.Bool("small", false, "make the disk of 1 GiB")
	lean := flag.Bool("lean", false, "make the disk of the end-to-end tests")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *out, *noise, *seed, *small, *lean); err != nil {
		fmt.Fprintln(os.Stderr, "diskimage:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string, noise int64, seed uint64, small, lean bool) (err error) {
	if out == "" {
		if out, err = disks.CacheDir(); err != nil {
			return err
		}
	}
	var disk disks.Disk
	switch {
	case noise > 0:
		disk, err = disks.Noise(ctx, out, noise<<20, seed)
	case small:
		disk, err = disks.DebianSmall(ctx, out, os.Stderr)
	case lean:
		disk, err = disks.DebianLean(ctx, out, os.Stderr)
	default:
		disk, err = disks.Debian(ctx, out, os.Stderr)
	}
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%d bytes raw\nsha256 %s\n", disk.Path, disk.RawSize, disk.SHA256)
	return nil
}
