package image

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockRetry is how often a waiting process looks whether the other is done:
// flock(2) itself cannot be cancelled.
const lockRetry = 50 * time.Millisecond

// lock makes this process the only one that packs the input of key, and
// returns what ends that. The lock's file is gone when no one needs it.
func (c Cache) lock(ctx context.Context, key cacheKey) (unlock func(), err error) {
	path := filepath.Join(c.Dir, key.path+lockSuffix)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock in cache folder: %w: set %s to a folder that is yours", err, CacheVariable)
		}
		if err := flock(ctx, f); err != nil {
			f.Close()
			return nil, err
		}
		// Who held the lock before has removed the file: a lock on a file
		// without a name keeps no one out.
		if sameFile(f, path) {
			return func() {
				os.Remove(path)
				f.Close()
			}, nil
		}
		f.Close()
	}
}

// flock waits for an exclusive lock on f.
func flock(ctx context.Context, f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if err != unix.EWOULDBLOCK && err != unix.EINTR {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockRetry):
		}
	}
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}
