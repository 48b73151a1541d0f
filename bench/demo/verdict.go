package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// compare prints what each machine's cable lost and its disk's digest. Any disk
// that differs from the image is an error.
func (r *room) compare() error {
	sums, errs := make([]string, len(r.targets)), make([]error, len(r.targets))
	var wg sync.WaitGroup
	for i, t := range r.targets {
		wg.Go(func() { sums[i], errs[i] = diskSum(t.Path(), r.disk.RawSize) })
	}
	wg.Wait()
	fmt.Printf("\n%-10s%-13s%-28s%s\n", "", "disk", "datagrams lost on the way", "SHA-256 of the disk, read directly")
	fmt.Printf("%-10s%-13s%-28s%s\n", "image", "", "", r.disk.SHA256)
	wrong := 0
	for i, t := range r.targets {
		count, err := r.lab.Host(1 + i).LossCount()
		if err != nil {
			return err
		}
		lost := fmt.Sprintf("%d of %d (%.2f %%)", count.Dropped, count.Seen, 100*float64(count.Dropped)/float64(max(1, count.Seen)))
		verdict := sums[i]
		switch {
		case errs[i] != nil:
			verdict = errs[i].Error()
			wrong++
		case sums[i] != r.disk.SHA256:
			verdict += "  DIFFERS"
			wrong++
		}
		fmt.Printf("%-10s%-13s%-28s%s\n", r.lab.Host(1+i).Name(), t.Path(), lost, verdict)
	}
	if n := r.lab.BacklogDrops(); n > 0 {
		fmt.Printf("(besides, this machine dropped %d packets because a CPU's queue was full)\n", n)
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d disks are not the image", wrong, len(r.targets))
	}
	fmt.Printf("\nall %d disks are identical to the image\n", len(r.targets))
	return nil
}

// diskSum is the SHA-256 of the first size bytes of the device, read past the
// page cache.
func diskSum(path string, size int64) (string, error) {
	const chunk = 4 << 20
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	// Direct reads want memory aligned to pages, which mappings are.
	buf, err := unix.Mmap(-1, 0, chunk, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return "", err
	}
	defer unix.Munmap(buf)
	sum := sha256.New()
	for left := size; left > 0; {
		n, err := io.ReadFull(f, buf)
		if err != nil && err != io.ErrUnexpectedEOF {
			return "", fmt.Errorf("reading %s: %w", path, err)
		}
		use := min(int64(n), left)
		sum.Write(buf[:use])
		left -= use
		if left > 0 && n < chunk {
			return "", fmt.Errorf("%s is %d bytes short", path, left)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
