package disks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// What GRUB's boot sector and the first sector of its core image say of each
// other, as grub-bios-setup writes it (include/grub/i386/pc/boot.h and
// diskboot.S in GRUB 2).
const (
	sector = 512

	// In boot.img.
	kernelSector = 0x5c  // 8 bytes: where the core image begins on the disk
	driveCheck   = 0x66  // 2 bytes: a jump past the mending of the drive's number
	bootCodeEnd  = 0x1b8 // the disk's signature and the partition table follow

	// In the core image's first sector, which loads the others: one entry of
	// a list that is filled from the sector's end backwards.
	listStart  = 0x1f4 // 8 bytes: where the second sector is on the disk
	listLength = 0x1fc // 2 bytes: sectors from there
)

// coreModules is what GRUB needs to find the root and to read its menu there.
var coreModules = []string{"biosdisk", "part_gpt", "ext2", "search", "search_fs_uuid", "normal", "configfile", "linux", "echo", "test"}

// bios makes the disk boot by BIOS too: GRUB's boot sector, and its core in a
// partition of its own before the first MiB. grub-install would want a block
// device; the two cross-references that it writes are all that is needed.
func (b *builder) bios() error {
	early := filepath.Join(b.root, "boot/grub/early.cfg")
	text := fmt.Sprintf("search.fs_uuid %s root\nset prefix=($root)/boot/grub\n", strings.ToLower(rootUUID))
	if err := os.WriteFile(early, []byte(text), 0o644); err != nil {
		return err
	}
	// The program of the new system, so that it and its modules fit together.
	err := b.run("", "chroot", append([]string{b.root, "grub-mkimage", "--directory=/usr/lib/grub/i386-pc", "--format=i386-pc",
		"--prefix=/boot/grub", "--config=/boot/grub/early.cfg", "--output=/boot/grub/core.img"}, coreModules...)...)
	if err != nil {
		return err
	}
	boot, err := os.ReadFile(filepath.Join(b.root, "usr/lib/grub/i386-pc/boot.img"))
	if err != nil {
		return err
	}
	core, err := os.ReadFile(filepath.Join(b.root, "boot/grub/core.img"))
	if err != nil {
		return err
	}
	if err := link(boot, core, biosFrom/sector); err != nil {
		return err
	}
	if len(core) > biosSize {
		return fmt.Errorf("GRUB's core has %d bytes, its partition %d", len(core), biosSize)
	}
	disk, err := os.OpenFile(b.disk, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = disk.WriteAt(boot[:bootCodeEnd], 0)
	if err == nil {
		_, err = disk.WriteAt(core, biosFrom)
	}
	return errors.Join(err, disk.Close(), os.Remove(early))
}

// link tells boot.img and the core image, in place, that the core is on the disk
// from the given sector on.
func link(boot, core []byte, at uint64) error {
	if len(boot) != sector || len(core) < 2*sector {
		return fmt.Errorf("GRUB's boot.img has %d bytes and its core %d: not what they were", len(boot), len(core))
	}
	rest := (len(core)+sector-1)/sector - 1
	if got := int(binary.LittleEndian.Uint16(core[listLength:])); got != rest {
		return fmt.Errorf("GRUB's core says that it has %d sectors after the first, and has %d", got, rest)
	}
	binary.LittleEndian.PutUint64(boot[kernelSector:], at)
	// Firmware is not trusted with the number of the drive that it boots: the
	// code behind the jump takes the first hard disk when it is none.
	copy(boot[driveCheck:], []byte{0x90, 0x90})
	binary.LittleEndian.PutUint64(core[listStart:], at+1)
	return nil
}
