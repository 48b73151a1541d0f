package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// contentsWindow covers every signature below; btrfs has the farthest one.
const contentsWindow = 128 << 10

// signatures are the magic numbers of what a disk without a partition table is
// likely to hold, each at its fixed place.
var signatures = [...]struct {
	offset int
	magic  string
	name   string
}{
	{0x438, "\x53\xef", "ext file system"},
	{0, "XFSB", "xfs file system"},
	{0x10040, "_BHRfS_M", "btrfs file system"},
	{3, "NTFS    ", "ntfs file system"},
	{3, "EXFAT   ", "exfat file system"},
	{0x52, "FAT32", "fat file system"},
	{0x36, "FAT1", "fat file system"},
	{0x400, "\x10\x20\xf5\xf2", "f2fs file system"},
	{0, "hsqs", "squashfs file system"},
	{0x8001, "CD001", "iso9660 file system"},
	{0, "LUKS\xba\xbe", "encrypted volume (LUKS)"},
	{0x218, "LVM2 001", "LVM physical volume"},
	{0, "\xfc\x4e\x2b\xa9", "md RAID member"},
	{0x1000, "\xfc\x4e\x2b\xa9", "md RAID member"},
	{pageSize - 10, "SWAPSPACE2", "swap area"},
}

// contents says in a few words what r, a disk or a partition, holds.
// An unreadable disk gives "unreadable".
func contents(r io.ReaderAt, sector int) string {
	b := make([]byte, contentsWindow)
	n, err := r.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "unreadable"
	}
	b = b[:n]
	for _, s := range []int{max(sector, 512), 512, 4096} {
		if parts, ok := gpt(b, s); ok {
			return fmt.Sprintf("GPT with %s", count(parts, "partition"))
		}
	}
	for _, s := range signatures {
		if len(b) >= s.offset+len(s.magic) && string(b[s.offset:s.offset+len(s.magic)]) == s.magic {
			return s.name
		}
	}
	if parts := mbr(b); parts > 0 {
		return fmt.Sprintf("MBR partition table with %s", count(parts, "partition"))
	}
	if len(bytes.Trim(b, "\x00")) == 0 {
		return "blank"
	}
	return "unknown data"
}

// gpt counts the partitions of a GUID partition table (UEFI 2.10, 5.3).
func gpt(b []byte, sector int) (parts int, ok bool) {
	if len(b) < 2*sector || string(b[sector:sector+8]) != "EFI PART" {
		return 0, false
	}
	header := b[sector:]
	start := binary.LittleEndian.Uint64(header[72:])
	entries := binary.LittleEndian.Uint32(header[80:])
	size := binary.LittleEndian.Uint32(header[84:])
	if start > contentsWindow || size < 128 || size > pageSize {
		return 0, true
	}
	for i := range min(entries, 1024) {
		at := int(start)*sector + int(i*size)
		if at+16 > len(b) {
			break
		}
		if [16]byte(b[at:at+16]) != [16]byte{} {
			parts++
		}
	}
	return parts, true
}

// mbr counts the used primary partitions of a DOS partition table.
func mbr(b []byte) (parts int) {
	if len(b) < 512 || b[510] != 0x55 || b[511] != 0xaa {
		return 0
	}
	for at := 446; at < 510; at += 16 {
		if b[at+4] != 0 && (b[at]&0x7f) == 0 {
			parts++
		}
	}
	return parts
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
