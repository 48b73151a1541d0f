package dhcp

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The file of leases has a line for each: MAC address, address, when it ends in
// Unix time, and the machine's name or "-".

// AppendText appends the leases that were taken, in the order of their addresses.
func (l *Leases) AppendText(dst []byte) ([]byte, error) {
	var all []*Lease
	for _, each := range l.address {
		if each.taken {
			all = append(all, each)
		}
	}
	slices.SortFunc(all, func(a, b *Lease) int { return a.Addr.Compare(b.Addr) })
	for _, each := range all {
		dst = fmt.Appendf(dst, "%v %v %d %s\n", each.MAC, each.Addr, each.Until.Unix(), cmp.Or(each.Name, "-"))
	}
	return dst, nil
}

// Load adds the leases of a file's text. Lines that are no lease of this range are
// left out: the range may be another one than when they were written.
func (l *Leases) Load(text []byte) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 4 {
			continue
		}
		m, ok := ParseMAC(f[0])
		a, err := netip.ParseAddr(f[1])
		until, err2 := strconv.ParseInt(f[2], 10, 64)
		if !ok || err != nil || err2 != nil || !l.gives(a) || l.machine[m] != nil || l.address[a] != nil {
			continue
		}
		have := &Lease{MAC: m, Addr: a, Until: time.Unix(until, 0), taken: true}
		if f[3] != "-" {
			have.Name = name([]byte(f[3]))
		}
		l.machine[m], l.address[a] = have, have
	}
}

// ParseMAC parses six bytes in hexadecimal, with colons or dashes between them.
func ParseMAC(s string) (m MAC, ok bool) {
	if len(s) != 17 {
		return m, false
	}
	for i := range m {
		if i > 0 && s[3*i-1] != ':' && s[3*i-1] != '-' {
			return MAC{}, false
		}
		v, err := strconv.ParseUint(s[3*i:3*i+2], 16, 8)
		if err != nil {
			return MAC{}, false
		}
		m[i] = byte(v)
	}
	return m, true
}

// name returns a machine's name for itself as far as it is one (RFC 1123 §2.1).
func name(b []byte) string {
	s, _, _ := strings.Cut(strings.TrimRight(string(b), "\x00"), ".")
	if len(s) > 63 {
		return ""
	}
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return ""
		}
	}
	return strings.Trim(s, "-")
}

// writeFile replaces a file as a whole. It isn't flushed to the disk: after a power
// cut the machines come by their old addresses from an older file, or by new ones.
func writeFile(file string, text []byte) error {
	temp := file + ".new" // always the same, or each error would be another one to be told
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		os.Remove(temp)
		return err
	}
	return os.Rename(temp, file)
}
