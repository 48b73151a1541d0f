package machines

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stick makes a USB stick with somebody's data, and a function that checks that
// nothing happened to it.
func (r *room) stick(name string, size int64) (path string, untouched func()) {
	r.Helper()
	path = r.disk(name, size)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(strings.Repeat("the only copy of a thesis\n", 100_000))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		r.Fatal(err)
	}
	before := r.digest(path, size)
	return path, func() {
		r.Helper()
		if r.digest(path, size) != before {
			r.Errorf("%s was written to", name)
		}
	}
}

// Which disk is overwritten where nobody is asked: the policy's, or none and why;
// never a stick.
func TestDisksAreNotGuessed(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	const rules = `[[machine]]
match = "` + mac1 + `"
image = "debian"
unattended = true

[[machine]]
match = "` + mac2 + `"
image = "debian"
unattended = true
disk = "largest"
after = "poweroff"

[[machine]]
match = "` + mac3 + `"
image = "debian"
unattended = true
`
	s := r.serve(r.library(nil), rules, "--dhcp", addresses, "--boot-default", "image", "--boot-timeout", "0s", "--gather", "1s")
	const large, sticks = diskSize * 3 / 2, diskSize * 2
	stick1, untouched1 := r.stick("stick-1", sticks)
	stick2, untouched2 := r.stick("stick-2", sticks)
	second := r.disk("second", diskSize)
	two := r.on(Config{Name: "two", Firmware: BIOS, MAC: mac1, Disks: []Disk{
		{Path: stick1, Bus: Stick}, {Path: r.disk("two-a", diskSize), Bus: SATA}, {Path: r.disk("two-b", large), Bus: NVMe}}})
	largest := r.on(Config{Name: "largest", Firmware: BIOS, MAC: mac2, Disks: []Disk{
		{Path: stick2, Bus: Stick}, {Path: second, Bus: SATA}, {Path: r.disk("first", large), Bus: NVMe}}})
	small := r.on(Config{Name: "small", Firmware: UEFI, MAC: mac3, Disks: []Disk{{Path: r.disk("small", r.image().RawSize/2)}}})

	for _, tt := range []struct {
		m   *machine
		why string
	}{
		{two, "2 disks could take the image"},
		{small, "no disk can take the image of"},
	} {
		tt.m.sees("Nothing was written")
		tt.m.sees("(?i)" + tt.why)
		e := s.machine(tt.m.Config.MAC, "refused")
		if !strings.Contains(e.text(), tt.why) {
			t.Errorf("the server prints for %s %q, want %q", tt.m.Config.Name, e.text(), tt.why)
		}
		t.Logf("%s is refused: %s", tt.m.Config.Name, e.text())
		tt.m.reacts()
	}
	largest.sees("Everything on /dev/nvme0n1 is overwritten in ")
	largest.ends("guest-shutdown")
	r.holdsImage(largest.Config.Disks[2].Path)
	if e := s.machine(mac2, "installed"); e.Disk == nil || !strings.Contains(*e.Disk, "/dev/nvme0n1") {
		t.Errorf("the server does not print the disk that it went to: %+v", e)
	}
	two.Kill()
	small.Kill()
	untouched1()
	untouched2()
	for _, path := range []string{second, two.Config.Disks[1].Path, two.Config.Disks[2].Path, small.Config.Disks[0].Path} {
		r.empty(path)
	}
}

// empty checks that nothing was written to a disk, not even zeros: its file is one
// hole.
func (r *room) empty(path string) {
	r.Helper()
	f, err := os.Open(path)
	if err != nil {
		r.Fatal(err)
	}
	defer f.Close()
	if at, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA); !errors.Is(err, unix.ENXIO) {
		r.Errorf("%s was written to, first at %d (%v)", filepath.Base(path), at, err)
	}
}
