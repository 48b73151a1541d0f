package disks

import (
	"bytes"
	"errors"
	"os"
)

// Warm makes the file at path size bytes long and writes all of them, none of
// them zero. A target in memory then has its memory before the clock starts: a
// virtual machine's host may take ten times as long to find a page as the
// machine takes to write it. What was in the file is gone, so that no run can
// pass for another's.
func Warm(path string, size int64) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(size); err != nil {
		return err
	}
	fill := bytes.Repeat([]byte{0xa5}, 1<<20)
	for off := int64(0); off < size; off += int64(len(fill)) {
		if _, err := f.WriteAt(fill[:min(int64(len(fill)), size-off)], off); err != nil {
			return err
		}
	}
	return nil
}
