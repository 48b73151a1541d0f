package machines

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// everyMachine is a rule for all machines: Debian, and nobody is asked.
const everyMachine = `[[machine]]
match = "52:54:00:*"
image = "debian"
unattended = true
after = "reboot"
`

// dnsmasq is the network's DHCP server, at the room's second host, which knows
// nothing of booting.
func (r *room) dnsmasq() {
	r.Helper()
	if _, err := exec.LookPath("dnsmasq"); err != nil {
		r.Skip("program dnsmasq is missing (Debian package dnsmasq-base)")
	}
	cmd := r.lab.Host(1).Command(r.ctx, "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--conf-file=/dev/null", "--user=root",
		"--port=0", "--interface=eth0", "--bind-interfaces", "--dhcp-authoritative", "--dhcp-leasefile="+r.folder+"/leases",
		"--dhcp-range=10.77.8.1,10.77.8.99,255.255.0.0,1h")
	said := &tail{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
		if r.Failed() {
			r.Logf("dnsmasq's last words:\n%s", said.String())
		}
	})
}

// Beside a DHCP server that is not to be touched, with nobody at the machines, one
// of which trusts nothing that is not signed and one of which has little memory.
func TestUnattendedBesideADHCPServer(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	r.dnsmasq()
	s := r.serve(r.library(nil), everyMachine, "--dhcp", "proxy", "--boot-default", "image", "--boot-timeout", "1s", "--gather", "10s")
	secure := r.on(Config{Name: "secure", Firmware: SecureBoot, MAC: mac1, Disks: []Disk{{Path: r.disk("secure", diskSize), Bus: NVMe}}})
	small := r.on(Config{Name: "small", Firmware: BIOS, Memory: 512, MAC: mac2, Disks: []Disk{{Path: r.disk("small", diskSize), Bus: SATA}}})

	secure.sees("Secure boot enabled")
	for _, m := range []*machine{secure, small} {
		m.sees("Everything on /dev/[a-z0-9]+ is overwritten in ")
		m.up("menu")
		m.sees("Restarts in ")
		m.up("image on its disk")
		m.ends("guest-reset")
		r.holdsImage(m.Config.Disks[0].Path)
		if e := s.machine(m.Config.MAC, "installed"); !strings.HasPrefix(e.Address, "10.77.8.") {
			t.Errorf("%s got the address %s, not from dnsmasq", m.Config.Name, e.Address)
		}
	}
	for _, m := range []*machine{secure.again(nil), small.again(nil)} {
		m.sees("pxecast-demo login:")
		m.up("login prompt, by the network's menu")
	}
}

// What a machine does that nobody sits at and that no rule is for: it starts from
// its disk, as if there was no server.
func TestBootFromTheDiskIsTheDefault(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	s := r.serve(r.library(nil), "", "--dhcp", addresses, "--boot-timeout", "3s")
	var all []*machine
	for i, fw := range []Firmware{BIOS, UEFI} {
		name := string(fw)
		all = append(all, r.on(Config{Name: name, Firmware: fw, MAC: fmt.Sprintf("52:54:00:00:00:0%d", i+1), Memory: 512, Disks: []Disk{{Path: r.imaged(name), Bus: SATA}}}))
	}
	for _, m := range all {
		m.sees("pxecast-demo login:")
		m.up("login prompt, by the network's menu")
		s.machine(m.Config.MAC, "booting")
	}
	for _, e := range s.all("machine") {
		if strings.Contains(e.text(), "vmlinuz") {
			t.Errorf("%s loads the kernel that images it", e.MAC)
		}
	}
}

// The time that people wait in front of a machine, with the emulated processor for
// itself.
func TestPowerOnToMenu(t *testing.T) {
	r := newRoom(t, 10*time.Minute)
	r.serve(r.library(nil), "", "--dhcp", addresses, "--boot-default", "image", "--boot-timeout", "0s")
	for _, fw := range []Firmware{BIOS, UEFI} {
		m := r.on(Config{Name: string(fw), Firmware: fw, MAC: mac1, Disks: []Disk{{Path: r.disk(string(fw), diskSize)}}})
		m.atMenu()
		if took := time.Since(m.Since); took > 2*menuWithin {
			t.Errorf("%.1f s from power-on to the menu: it should be %v, and twice that on a machine that is busy with something else", took.Seconds(), menuWithin)
		}
		m.types("o\r") // off
		m.ends("guest-shutdown")
	}
}

// menuWithin is what it takes at most on an idle machine with two processors.
const menuWithin = 45 * time.Second
