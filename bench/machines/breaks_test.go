package machines

import (
	"testing"
	"time"
)

// slowWire makes the image take half a minute, so that there is a middle.
const slowWire = 20 // Mbit/s

// Three quarters of the image are zeros, which no machine waits for.
const begun, half = 0.82, 0.90

// The server dies in mid-session and is started again; then somebody pulls a
// machine's plug. All end with the image, and nothing that was on a disk already
// is written twice.
func TestServerAndMachineBreakDownInTheMiddle(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	s := r.serve(r.library(nil), "", "--dhcp", addresses, "--boot-default", "image", "--boot-timeout", "0s", "--gather", "3s")
	a := r.on(Config{Name: "a", Firmware: BIOS, MAC: mac1, Disks: []Disk{{Path: r.disk("a", diskSize)}}})
	b := r.on(Config{Name: "b", Firmware: BIOS, MAC: mac2, Disks: []Disk{{Path: r.disk("b", diskSize)}}})
	for _, m := range []*machine{a, b} {
		m.atMenu()
	}
	r.wire(slowWire)
	a.choose("1", "1")
	b.choose("1", "1")
	s.past(mac1, begun)
	s.past(mac2, begun)
	s.kill()
	t.Log("the server is killed, and started again")
	s.start()
	s.past(mac1, half)
	s.past(mac2, half)
	a.Kill()
	t.Log("a's plug is pulled")
	r.wire(0)
	a = a.again(nil)

	b.sees("Restarts in ")
	b.ends("guest-reset")
	r.holdsImage(b.Config.Disks[0].Path)

	a.atMenu()
	a.choose("1", "1")
	reused := a.sees("[0-9.]+ [kMG]B of it were there already")
	t.Logf("a goes on where it was: %s", reused)
	a.sees("Restarts in ")
	a.ends("guest-reset")
	r.holdsImage(a.Config.Disks[0].Path)
	for _, mac := range []string{mac1, mac2} {
		s.machine(mac, "installed")
	}
	a = a.again(fromDisk)
	a.sees("pxecast-demo login:")
	a.up("login prompt from disk")
}

// wire limits what the server's host sends, in Mbit/s; 0 lifts the limit.
func (r *room) wire(mbit float64) {
	r.Helper()
	if err := r.lab.Host(0).SetRate(mbit); err != nil {
		r.Fatal(err)
	}
}
