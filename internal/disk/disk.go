// Package disk writes images to whole disks, partitions and image files.
//
// It keeps three promises. Nothing is written to a target that any guard rule
// refuses (Check). A disk that is not finished does not boot, neither the old
// system nor the new one: Begin erases the boot sector and both copies of the
// GPT before anything else, and Finish writes block 0 and the disk's last block
// after everything else is on the medium. And nothing beyond the image's end is
// changed, apart from those two erased places.
//
// A target's life is
//
//	Check → Lock → (reads, to see what is there already) → Begin → WriteBlock and Zero, in any order → Finish → (reads, to verify) → Close
//
// and Open is Lock and Begin in one. Linux only.
package disk

import "github.com/pxecast/pxecast/protocol"

const (
	// blockSize is also the size of block 0: the part of a disk that Begin erases
	// at the front and Finish writes last. It holds the boot sector, the first
	// copy of the GPT and its entries.
	blockSize = protocol.BlockSize

	// endSize is how much Begin erases at the end of a disk. The second copy of
	// the GPT needs 33 sectors: 132 KiB at 4096 bytes each. The rest is for
	// metadata kept at the end by others (mdadm 0.90 and 1.0, firmware RAID).
	endSize = 1 << 20

	// pageSize is the alignment of memory, offset and length that direct I/O
	// is sure to accept on every disk with sectors up to this size.
	pageSize = 4096

	// DiscardPath as a path means the target that keeps nothing; see OpenDiscard.
	DiscardPath = "discard"
)
