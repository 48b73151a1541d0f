package machines

import (
	"testing"
	"time"
)

// The image itself boots, by each firmware; what the other tests make of it does
// only if it does.
func TestImageBootsFromADisk(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	var all []*machine
	for _, tt := range []struct {
		firmware Firmware
		bus      Bus
	}{{BIOS, SATA}, {UEFI, NVMe}, {SecureBoot, Virtio}} {
		name := string(tt.firmware)
		all = append(all, r.on(Config{Name: name, Firmware: tt.firmware, Boot: Local, Memory: 512, Disks: []Disk{{Path: r.imaged(name), Bus: tt.bus}}}))
	}
	for _, m := range all {
		if m.Config.Firmware == SecureBoot {
			m.sees("Secure boot enabled")
		}
		m.sees("pxecast-demo login:")
		m.up("login prompt from disk")
	}
}
