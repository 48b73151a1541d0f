package boot

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pxecast/pxecast/internal/boot/dhcp"
)

// neighbour returns the MAC address of who has an address on this machine's networks,
// "" if it isn't known: who has just sent us something is in the kernel's table.
func neighbour(a netip.Addr) string {
	f, err := os.Open("/proc/thread-self/net/arp")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[0] != a.String() {
			continue
		}
		if m, ok := dhcp.ParseMAC(fields[3]); ok && m != (dhcp.MAC{}) {
			return m.String()
		}
	}
	return ""
}

// hostOf returns the address in "address:port".
func hostOf(s string) netip.Addr {
	a, _ := netip.ParseAddrPort(s)
	return a.Addr().Unmap()
}

// takenError says who has a port.
func takenError(err error, protocol string, port uint16) error {
	who := owner(protocol, port)
	if who == "" {
		who = "another process"
	}
	return fmt.Errorf("%s has %s port %d: end it first (%w)", who, protocol, port, err)
}

// owner returns the processes that have a port of "UDP" or "TCP" on this machine, as
// "dnsmasq (pid 123)"; "" for none that can be seen.
func owner(protocol string, port uint16) string {
	inodes := make(map[string]bool)
	for _, table := range []string{"", "6"} {
		text, err := os.ReadFile("/proc/thread-self/net/" + strings.ToLower(protocol) + table)
		if err == nil {
			socketsOn(inodes, text, port)
		}
	}
	if len(inodes) == 0 {
		return ""
	}
	var found []string
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil || !inodes[link] {
			continue
		}
		delete(inodes, link)
		pid := strings.Split(fd, "/")[2]
		name, _ := os.ReadFile("/proc/" + pid + "/comm")
		found = append(found, fmt.Sprintf("%s (pid %s)", bytes.TrimSpace(name), pid))
	}
	return strings.Join(found, ", ")
}

// listening is a TCP socket's state.
const listening = 0x0a

// socketsOn adds the sockets on a port to all, as /proc has them in its links. text is
// a table of /proc/net: number, local address, remote one, state, and the inode as the
// tenth field.
func socketsOn(all map[string]bool, text []byte, port uint16) {
	for line := range bytes.Lines(text) {
		f := bytes.Fields(line)
		if len(f) < 10 {
			continue
		}
		_, local, _ := bytes.Cut(f[1], []byte(":"))
		at, err := hex.DecodeString(string(local))
		state, err2 := strconv.ParseUint(string(f[3]), 16, 8)
		if err != nil || err2 != nil || len(at) != 2 || binary.BigEndian.Uint16(at) != port {
			continue
		}
		// A connection of a server's port doesn't keep others from listening there.
		if state == listening || state == 7 { // 7 is that of every unconnected UDP socket
			all[fmt.Sprintf("socket:[%s]", f[9])] = true
		}
	}
}
