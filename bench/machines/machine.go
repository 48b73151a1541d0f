// Package machines makes PCs in QEMU, on the cables of a lab, and tests the
// whole with them: what a room's machines do from power-on to the login prompt.
//
// The processor is emulated, so this runs anywhere and is slow: ten seconds to a
// boot loader, half a minute to a menu.
package machines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pxecast/pxecast/bench/lab"
)

// Firmware is what a machine starts with.
type Firmware string

// The firmwares that Debian has for QEMU.
const (
	BIOS       Firmware = "bios"
	UEFI       Firmware = "uefi"
	SecureBoot Firmware = "secure-boot" // UEFI, with Microsoft's keys, enforcing
)

// Bus is how a disk is attached.
type Bus string

// The buses that a disk can be on.
const (
	Virtio Bus = "virtio"
	SATA   Bus = "sata"
	NVMe   Bus = "nvme"
	Stick  Bus = "usb" // a removable disk
)

// Disk is a disk of a machine.
type Disk struct {
	Path   string // raw file
	Bus    Bus    // default Virtio
	Serial string // default none
}

// From is what a machine boots from.
type From string

// What there is to boot from.
const (
	Network From = "network" // then, if that ends, the first disk
	Local   From = "local"   // the first disk
)

// Config says what a machine is like. Name and Firmware must be set.
type Config struct {
	Name     string // unique in its folder
	Firmware Firmware
	Boot     From   // default Network
	Memory   int    // MiB; default 1024
	MAC      string // "52:54:00:…"; default QEMU's, the same for every machine
	UUID     string // default none
	NIC      string // QEMU's name; default virtio-net-pci
	Disks    []Disk

	// Kernel, Initrd and Append boot these files instead of anything else.
	Kernel, Initrd, Append string
}

// Machine is a machine that was switched on. Its methods may be called
// concurrently.
type Machine struct {
	*Serial
	Config Config
	Since  time.Time // when it was switched on

	cmd    *exec.Cmd
	qmp    *monitor
	folder string
	tap    *lab.Tap
	done   chan struct{}

	kill sync.Once
	said tail // by QEMU itself
}

// ErrEnded is returned by Start and WaitFor when the machine is off.
var ErrEnded = errors.New("the machine is off")

// Start switches a machine on, at a cable of a lab. Its variables (UEFI) and what
// it writes on its serial line are kept in folder, as NAME.vars and NAME.log,
// across starts. It is off at the latest when ctx ends.
func Start(ctx context.Context, tap *lab.Tap, folder string, cfg Config) (*Machine, error) {
	m := &Machine{Config: cfg, tap: tap, folder: folder, done: make(chan struct{})}
	if err := m.variables(); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(folder, cfg.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	ours, theirs, err := pair()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	m.cmd = tap.Command(ctx, "qemu-system-x86_64", m.arguments()...)
	m.cmd.ExtraFiles = []*os.File{theirs} // 3: see arguments
	m.cmd.Stderr = &m.said
	in, inErr := m.cmd.StdinPipe()
	out, outErr := m.cmd.StdoutPipe()
	m.Since = time.Now()
	if err := errors.Join(inErr, outErr, m.cmd.Start(), theirs.Close()); err != nil {
		return nil, errors.Join(err, ours.Close(), log.Close())
	}
	m.Serial = newSerial(in, log)
	m.qmp = newMonitor(ours)
	go m.live(out, log)
	return m, nil
}

// live follows the machine until it is off.
func (m *Machine) live(out io.Reader, log io.Closer) {
	m.Serial.follow(out) // ends with QEMU
	m.qmp.wait()
	_ = m.cmd.Wait() // how it ended is what the monitor says
	log.Close()
	close(m.done)
}

// Tell sends a command to QEMU's monitor (QMP), without waiting for its effect.
func (m *Machine) Tell(command string) error { return m.qmp.tell(command) }

// Off waits until the machine is off and tells why, in QEMU's words:
// "guest-reset" when it restarted (it is not switched on again by itself),
// "guest-shutdown", or "" when QEMU was killed.
func (m *Machine) Off(ctx context.Context) (string, error) {
	select {
	case <-m.done:
	case <-ctx.Done():
		return "", fmt.Errorf("%s is still on: %w\n%s", m.Config.Name, ctx.Err(), m.Tail(60))
	}
	if why := m.qmp.reason(); why != "" {
		return why, nil
	}
	if said := m.said.String(); said != "" {
		return "", fmt.Errorf("QEMU of %s ended: %s", m.Config.Name, said)
	}
	return "", nil
}

// Kill pulls the plug, and waits until the machine is off.
func (m *Machine) Kill() {
	m.kill.Do(func() { _ = unix.Kill(-m.cmd.Process.Pid, unix.SIGKILL) })
	<-m.done
}

// Restart switches the machine on again, which must be off. change, which may be
// nil, changes what it is like.
func (m *Machine) Restart(ctx context.Context, change func(*Config)) (*Machine, error) {
	cfg := m.Config
	if change != nil {
		change(&cfg)
	}
	return Start(ctx, m.tap, m.folder, cfg)
}

// pair returns the two ends of a socket.
func pair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that Close ends a Read
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "qmp"), os.NewFile(uintptr(fds[1]), "qmp"), nil
}
