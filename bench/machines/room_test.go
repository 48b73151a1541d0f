package machines

import (
	"testing"
	"time"
)

const (
	mac1 = "52:54:00:00:00:01"
	mac2 = "52:54:00:00:00:02"
	mac3 = "52:54:00:00:00:03"

	addresses = "10.77.9.1-10.77.9.99" // for a server that gives them out
	diskSize  = 1 << 30                // larger than the image
)

// A room with nothing but pxecast in it: people choose image and disk at each
// machine, all get it in one session, and each machine then starts from its disk,
// though it still tries the network first.
func TestRoomByHand(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	s := r.serve(r.library(nil), "", "--dhcp", addresses, "--boot-default", "image", "--boot-timeout", "3s", "--gather", "20s")
	all := []*machine{
		r.on(Config{Name: "bios-1", Firmware: BIOS, MAC: mac1, Disks: []Disk{{Path: r.disk("bios-1", diskSize)}}}),
		r.on(Config{Name: "bios-2", Firmware: BIOS, MAC: mac2, NIC: "e1000", Disks: []Disk{{Path: r.disk("bios-2", diskSize), Bus: SATA}}}),
		r.on(Config{Name: "uefi", Firmware: UEFI, MAC: mac3, Disks: []Disk{{Path: r.disk("uefi", diskSize), Bus: NVMe}}}),
	}
	for _, m := range all {
		m.atMenu()
	}
	for _, m := range all {
		m.choose("1", "1")
	}
	for _, m := range all {
		m.sees("Restarts in ")
		m.up("image on its disk")
		m.ends("guest-reset")
		r.holdsImage(m.Config.Disks[0].Path)
		s.machine(m.Config.MAC, "installed")
	}
	s.oneSession(len(all))
	for i, m := range all {
		all[i] = m.again(nil)
	}
	for _, m := range all {
		m.sees("pxecast-demo login:")
		m.up("login prompt, by the network's menu")
	}
}

// oneSession waits until the session of so many machines is over, and has been the
// only one.
func (s *server) oneSession(receivers int) {
	s.room.Helper()
	s.sees("the end of the session", func(e *event) bool { return e.Event == "session" })
	sessions := s.all("session")
	if len(sessions) != 1 || len(sessions[0].Receivers) != receivers {
		s.room.Fatalf("%d sessions, want one with %d machines:\n%s", len(sessions), receivers, s.last(40))
	}
	for _, m := range sessions[0].Receivers {
		if m.State != "done" || m.Lanes.Multicast == 0 {
			s.room.Errorf("%s is %s, with %d blocks by multicast", m.Name, m.State, m.Lanes.Multicast)
		}
	}
}
