package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDiskSumCoversExactlyTheImage(t *testing.T) {
	// Larger than one read, not a multiple of a sector, on a larger disk.
	content := []byte(strings.Repeat("0123456789abcdef", 9<<20/16) + "tail")
	disk := append(content, make([]byte, 8192-len(content)%8192)...)
	name := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(name, disk, 0o600); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(content)
	got, err := diskSum(name, int64(len(content)))
	if err != nil || got != hex.EncodeToString(want[:]) {
		t.Errorf("got %s, %v, want %x", got, err, want)
	}
	if _, err := diskSum(name, int64(len(disk))+1); err == nil {
		t.Error("a disk smaller than the image has a digest")
	}
}
