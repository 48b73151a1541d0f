package machines

import (
	"strings"
	"testing"
	"time"
)

// What an image's owner runs on the machines.
const (
	initScript = `#!/bin/sh
set -eu
echo "init on $PXECAST_DISK, $PXECAST_FIRMWARE"
test -b "$PXECAST_DISK"
test "$(cat /sys/class/net/*/address | grep -c "$PXECAST_MAC")" -ge 1
`
	postScript = `#!/bin/sh
set -eu
mkdir -p /mnt/root
mount "${PXECAST_DISK}${PXECAST_PARTITION_PREFIX}2" /mnt/root
echo "pc-${PXECAST_MAC##*:}" > /mnt/root/etc/hostname
umount /mnt/root
echo "it is called pc-${PXECAST_MAC##*:} now"
`
	failing = `#!/bin/sh
echo "looking for the licence server"
echo "no licence for $PXECAST_MAC" >&2
exit 7
`
	hanging = `#!/bin/sh
echo "waiting for somebody who does not come"
sleep 100000
`
)

// An image's scripts run on the machine as root; one that fails or hangs ends it
// as failed, where people see it.
func TestScripts(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	images := r.library(map[string]string{
		"debian.d/init": initScript, "debian.d/post": postScript,
		"fails.img": noise(), "fails.d/post": failing,
		"hangs.img": noise(), "hangs.d/init": hanging, "hangs.d/timeout": "5s",
	})
	rules := ""
	for mac, image := range map[string]string{mac1: "debian", mac2: "fails", mac3: "hangs"} {
		rules += "[[machine]]\nmatch = \"" + mac + "\"\nimage = \"" + image + "\"\nunattended = true\nafter = \"reboot\"\n"
	}
	s := r.serve(images, rules, "--dhcp", addresses, "--boot-default", "image", "--boot-timeout", "0s", "--gather", "1s")
	named := r.on(Config{Name: "named", Firmware: BIOS, MAC: mac1, Disks: []Disk{{Path: r.disk("named", diskSize), Bus: NVMe}}})
	fails := r.on(Config{Name: "fails", Firmware: BIOS, MAC: mac2, Disks: []Disk{{Path: r.disk("fails", diskSize)}}})
	hangs := r.on(Config{Name: "hangs", Firmware: BIOS, MAC: mac3, Disks: []Disk{{Path: r.disk("hangs", diskSize)}}})

	for _, tt := range []struct {
		m            *machine
		script, says string
	}{
		{fails, "post", "no licence for " + mac2},
		{hangs, "init", "waiting for somebody who does not come"},
	} {
		tt.m.sees("The script's last lines:")
		tt.m.sees(tt.says)
		e := s.machine(tt.m.Config.MAC, "failed")
		t.Logf("%s: %s", tt.m.Config.Name, e.text())
		s.sees(tt.says, func(e *event) bool {
			return e.MAC == tt.m.Config.MAC && e.Script != nil && *e.Script == tt.script && e.Exit != nil && *e.Exit != 0 &&
				e.Output != nil && strings.Contains(*e.Output, tt.says)
		})
		tt.m.reacts()
	}
	named.sees("Restarts in ")
	named.ends("guest-reset")
	s.machine(mac1, "installed")
	s.sees("the output of post", func(e *event) bool {
		return e.MAC == mac1 && e.Script != nil && *e.Script == "post" && e.Output != nil && strings.Contains(*e.Output, "it is called pc-01 now")
	})
	named = named.again(fromDisk)
	named.sees("pc-01 login:")
	named.up("login prompt from disk")
	r.empty(hangs.Config.Disks[0].Path)
}
