package ramdisk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	treeDir   = "tree"
	buildInfo = "build.json"
	lockName  = "lock"
	scratches = "building-"
)

// lock makes builders in one folder take turns. The lock goes with its holder,
// so a crash leaves none behind.
func lock(ctx context.Context, folder string, waiting func()) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(folder, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", folder, err)
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond): // flock has no way to wait with an end
		}
	}
}

// scratchIn makes a folder for a build and removes those that killed builds left.
// The lock is held, so no other can be alive.
func scratchIn(folder string) (string, error) {
	old, err := filepath.Glob(filepath.Join(folder, scratches+"*"))
	for _, dir := range old {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(folder, scratches)
}

// exchange puts the folder fresh in the place of the folder at path in one step.
// What was there is afterwards where fresh was.
func exchange(fresh, path string) error {
	err := unix.Renameat2(unix.AT_FDCWD, fresh, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	switch {
	case errors.Is(err, unix.ENOENT): // nothing there yet
		err = os.Rename(fresh, path)
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS): // a file system that can't: for a moment there is none
		err = exchangeByTurns(fresh, path)
	}
	if err != nil {
		return fmt.Errorf("putting the new tree in place: %w", err)
	}
	return nil
}

// exchangeByTurns is exchange in three steps. If the second can't be done, the first is
// taken back.
func exchangeByTurns(fresh, path string) error {
	aside := fresh + ".old"
	if err := os.Rename(path, aside); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return errors.Join(err, os.Rename(aside, path))
	}
	return os.Rename(aside, fresh)
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, data []byte) error {
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return err
	}
	if err := syncFile(temp); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
