package disks

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// Noise returns an image of size bytes that no compression makes smaller, the
// same for the same seed. It is made in the folder cache unless it is there.
func Noise(ctx context.Context, cache string, size int64, seed uint64) (Disk, error) {
	name := fmt.Sprintf("noise-%d-%d", size, seed)
	return cached(ctx, cache, name, func(scratch string) (Disk, error) {
		raw := filepath.Join(scratch, "disk.img")
		f, err := os.Create(raw)
		if err != nil {
			return Disk{}, err
		}
		defer f.Close()
		w := bufio.NewWriterSize(f, 1<<20)
		if _, err := io.CopyN(w, NoiseReader(seed), size); err != nil {
			return Disk{}, err
		}
		if err := w.Flush(); err != nil {
			return Disk{}, err
		}
		return finish(ctx, scratch, raw)
	})
}

// NoiseReader reads endless noise, the same for the same seed.
func NoiseReader(seed uint64) io.Reader {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	return rand.NewChaCha8(key)
}
