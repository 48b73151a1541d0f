package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/cespare/xxhash/v2"
	"github.com/pxecast/pxecast/cmd/pxecast/internal/cmdline"
	"github.com/pxecast/pxecast/internal/disk"
	"github.com/pxecast/pxecast/internal/image"
	"github.com/pxecast/pxecast/protocol"
	"github.com/urfave/cli/v2"
)

// Flags that several commands have.

func interfaceFlag() cli.Flag {
	return &cli.StringFlag{Name: "interface", Usage: "use the network interface `IF` (default: the only one that is connected)"}
}

func serverFlag() cli.Flag {
	return &cli.StringFlag{Name: "server", Usage: "ask the sender at `ADDRESS` too, for networks where multicast does not get through"}
}

// serverOf returns --server, the zero address without it.
func serverOf(c *cli.Context) (netip.Addr, error) {
	text := c.String("server")
	if text == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(text)
	if a = a.Unmap(); err != nil || !a.Is4() || a.IsMulticast() || a.IsUnspecified() {
		return netip.Addr{}, cmdline.Usagef("--server %s: give the IPv4 address of the machine that runs `pxecast send`, such as 192.168.1.2", text)
	}
	return a, nil
}

func jsonFlag(usage string) cli.Flag {
	return &cli.BoolFlag{DisableDefaultText: true, Name: "json", Usage: usage}
}

func levelFlag() cli.Flag {
	return &cli.StringFlag{Name: "level", Value: image.Default.String(), Usage: "pack at `LEVEL` default or better, which takes twice the time for 5 % fewer bytes on the wire"}
}

func diskFlag(usage string) cli.Flag { return &cli.StringFlag{Name: "disk", Usage: usage} }

func level(c *cli.Context) (image.Level, error) {
	l, err := image.ParseLevel(c.String("level"))
	if err != nil {
		return 0, cmdline.Usagef("--level %s: it is default or better", c.String("level"))
	}
	return l, nil
}

// needDisk returns --disk.
func needDisk(c *cli.Context) (string, error) {
	if d := c.String("disk"); d != "" {
		return d, nil
	}
	return "", cmdline.Usagef("%s needs --disk DISK: for example: %s", c.Command.Name, example(c.Command))
}

// receiverID names this machine and a target disk of it, the same after a
// restart. What keeps nothing is another one each time: several may run on one
// machine.
func receiverID(network, path string) protocol.ReceiverID {
	if path == disk.DiscardPath {
		return protocol.ReceiverID(rand.Uint64())
	}
	h := xxhash.New()
	if i, err := net.InterfaceByName(network); err == nil {
		h.Write(i.HardwareAddr)
	}
	h.WriteString("\x00" + hostname() + "\x00")
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	h.WriteString(path)
	return protocol.ReceiverID(h.Sum64())
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
