package main

import (
	"math/rand/v2"
	"net"
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
