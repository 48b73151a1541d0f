package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryDir is a tmpfs on every Linux. Disks in memory leave the CPU or the wire
// as what binds, for all contenders alike.
const memoryDir = "/dev/shm"

// processMemory is what a receiver may take beside its disk, bytes.
const processMemory = 120 << 20

// workFolder makes the run's folder in memory. It bears our pid; those of
// processes that were killed are removed.
func workFolder() (string, error) {
	const name = "pxecast-bench-"
	old, _ := filepath.Glob(filepath.Join(memoryDir, name+"*"))
	for _, o := range old {
		if _, err := os.Stat("/proc/" + strings.TrimPrefix(filepath.Base(o), name)); errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(o)
		}
	}
	work := filepath.Join(memoryDir, name+fmt.Sprint(os.Getpid()))
	return work, os.Mkdir(work, 0o700)
}

// need is the memory in bytes that a task takes at most: the disks, and the
// image in its forms.
func (t task) need() int64 {
	raw, packed := int64(t.source.rawMB()*megabyte), int64(t.source.packedMB()*megabyte)
	return raw*int64(t.receivers+1) + 3*packed + processMemory*int64(t.receivers)
}

// lack says why a task does not fit, "" if it does. free is what the machine has
// and what memoryDir takes.
func (t task) lack(free int64) string {
	if need := t.need(); need > free {
		return fmt.Sprintf("it needs %d MiB of memory, %d are free", need>>20, free>>20)
	}
	return ""
}

// freeMemory is how many bytes files in memoryDir may take now.
func freeMemory() (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(memoryDir, &fs); err != nil {
		return 0, fmt.Errorf("%s: %w", memoryDir, err)
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "MemAvailable:")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		return 0, fmt.Errorf("/proc/meminfo has no MemAvailable: %w", err)
	}
	return min(kb*1024, int64(fs.Bavail)*fs.Bsize), nil
}
