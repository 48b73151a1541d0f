package disks

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// The two cross-references, and nothing else, are written; what GRUB has become
// since is refused.
func TestBootSectorAndCoreKnowEachOther(t *testing.T) {
	boot := bytes.Repeat([]byte{0xaa}, sector)
	core := bytes.Repeat([]byte{0xbb}, 3*sector+100)
	binary.LittleEndian.PutUint16(core[0x1fc:], 3)
	if err := link(boot, core, 34); err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte{0xaa}, sector)
	copy(want[0x5c:], []byte{34, 0, 0, 0, 0, 0, 0, 0})
	copy(want[0x66:], []byte{0x90, 0x90})
	if !bytes.Equal(boot, want) {
		t.Errorf("boot sector\n% x\nwant\n% x", boot, want)
	}
	want = bytes.Repeat([]byte{0xbb}, len(core))
	copy(want[0x1f4:], []byte{35, 0, 0, 0, 0, 0, 0, 0, 3, 0})
	if !bytes.Equal(core, want) {
		t.Errorf("core's first sector\n% x\nwant\n% x", core[:sector], want[:sector])
	}
	core[0x1fc] = 9
	if err := link(boot, core, 34); err == nil {
		t.Error("a core with another length than it says is taken")
	}
	if err := link(boot[1:], core, 34); err == nil {
		t.Error("a boot sector of 511 bytes is taken")
	}
}
