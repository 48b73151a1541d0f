package lab

import (
	"context"
	"fmt"
	"os/exec"
)

// Tap is a cable into the bridge whose other end is a virtual machine's network
// card instead of a host.
type Tap struct {
	lab  *Lab
	name string
}

// AddTap adds a cable to the lab. It lasts as long as the lab.
func (l *Lab) AddTap(ctx context.Context) (*Tap, error) {
	t := &Tap{lab: l, name: fmt.Sprintf("t%d", l.taps.Add(1)-1)}
	// Namespaces go with all that is in them: the janitor need not know.
	cmds := fmt.Sprintf("tuntap add dev %[1]s mode tap\nlink set %[1]s addrgenmode none\nlink set %[1]s master br0 up\n", t.name)
	if err := run(ctx, cmds, "ip", "-n", l.bridge, "-batch", "-"); err != nil {
		return nil, fmt.Errorf("lab: adding a tap: %w", err)
	}
	return t, nil
}

// Name is the tap's interface, for the program that Command starts.
func (t *Tap) Name() string { return t.name }

// Command prepares a program to run where the tap is: beside the bridge, where
// the network can't be reached but through taps. It lives and dies as a host's
// does (Host.Command).
func (t *Tap) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return command(ctx, t.lab.bridge, t.name, name, args)
}

// SetReceiveRate limits what reaches the machine, as Host.SetReceiveRate.
func (t *Tap) SetReceiveRate(mbit float64) error {
	return setRate(t.lab.bridge, t.name, switchBuffer, mbit)
}
