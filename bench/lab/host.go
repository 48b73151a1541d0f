package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Host is one machine of a lab, with one interface named Interface.
type Host struct {
	lab       *Lab
	index     int
	namespace string
	addr      netip.Addr

	// Guarded by lab.offload.
	loss        Loss
	policed     bool
	perDatagram bool // asked for by SetSegmentation
	split       bool // what the interface is set to
	coalescing  bool // likewise
}

// Index is the host's number in its lab.
func (h *Host) Index() int { return h.index }

// Addr is the host's address, in a /16 with all others.
func (h *Host) Addr() netip.Addr { return h.addr }

// Namespace is the host's name for ip-netns(8).
func (h *Host) Namespace() string { return h.namespace }

// port is the host's interface on the bridge, in the bridge's namespace.
func (h *Host) port() string { return fmt.Sprintf("p%d", h.index) }

// Name is the host's name, which programs in it find by hostname(1): host0,
// host1 and so on.
func (h *Host) Name() string { return fmt.Sprintf("host%d", h.index) }

// enter gives the program a host name of its own and becomes it; $0 is the name.
const enter = `echo "$0" > /proc/sys/kernel/hostname && exec "$@"`

// Command prepares a program to run in the host. The process, and all that it
// starts in its process group, is killed when ctx ends; the process itself dies
// with the calling process; and Close kills whatever is left. As the process is
// in a group of its own, a Ctrl-C at the terminal does not reach it.
//
// Its process ID and its resource usage are the program's own: what enters the
// namespace replaces itself by the program.
func (h *Host) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return command(ctx, h.namespace, h.Name(), name, args)
}

// command prepares a program to run in a namespace, with a host name of its own.
func command(ctx context.Context, namespace, hostname, name string, args []string) *exec.Cmd {
	all := append([]string{"netns", "exec", namespace, "sh", "-c", enter, hostname, name}, args...)
	cmd := exec.CommandContext(ctx, "ip", all...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Unshareflags: syscall.CLONE_NEWUTS}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Do runs fn inside the host, in the calling goroutine, locked to its thread.
// Sockets that fn opens belong to the host for good; goroutines that fn starts
// run outside.
func (h *Host) Do(fn func() error) error {
	runtime.LockOSThread()
	home, err := openNamespace("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer unix.Close(home)
	there, err := openNamespace(netnsDir + h.namespace)
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	err = unix.Setns(there, unix.CLONE_NEWNET)
	unix.Close(there)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("lab: entering host %d: %w", h.index, err)
	}
	defer func() {
		// A thread that could not go back stays locked, so that it ends with
		// its goroutine instead of running others' code in here.
		if unix.Setns(home, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	return fn()
}

// linkUp tells whether the host's interface is ready to send (RFC 2863's
// operational state, not only "set up").
func (h *Host) linkUp() (up bool, err error) {
	err = h.Do(func() error {
		ifi, err := net.InterfaceByName(Interface)
		if err == nil {
			up = ifi.Flags&net.FlagRunning != 0
		}
		return err
	})
	return up, err
}

func openNamespace(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("lab: opening network namespace %s: %w", path, err)
	}
	return fd, nil
}
