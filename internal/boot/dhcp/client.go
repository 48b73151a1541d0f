package dhcp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Client is what a machine says of itself when it asks for a boot file.
type Client struct {
	MAC  MAC
	UUID string // as SMBIOS tools print it, lower case; "" if it didn't say
	Arch Arch
	Kind Kind
	IPXE bool // it runs iPXE, and that can HTTP
}

// Arch is a client's architecture (RFC 4578 §2.1, as IANA's registry has it now).
type Arch uint16

// What is booted here, and what else there is.
const (
	BIOS     Arch = 0
	IA32     Arch = 6
	X64      Arch = 7
	X64Also  Arch = 9 // RFC 4578 and its erratum have the two the other way round; firmware sends either
	X64HTTP  Arch = 16
	ARM32    Arch = 10
	ARM64    Arch = 11
	ARM64Web Arch = 19
	IA32HTTP Arch = 15
)

// String names it for people.
func (a Arch) String() string {
	switch a {
	case BIOS:
		return "BIOS"
	case X64, X64Also, X64HTTP:
		return "64-bit UEFI"
	case IA32, IA32HTTP:
		return "32-bit UEFI"
	case ARM32, ARM64, ARM64Web:
		return "ARM"
	}
	return fmt.Sprintf("architecture %d", uint16(a))
}

// Kind is which way a client boots.
type Kind uint8

// Other wants an address, or something else than to boot.
const (
	Other Kind = iota
	PXE
	HTTP // UEFI HTTP Boot: UEFI 2.10 §24.7
)

// pxeClass and httpClass begin a client's class, and are the answer's.
const (
	pxeClass  = "PXEClient"
	httpClass = "HTTPClient"
)

// ClientOf returns what a message says of its sender.
func ClientOf(p *Packet) Client {
	c := Client{MAC: p.MAC, UUID: uuid(p.Options.Get(MachineID))}
	class := string(p.Options.Get(Class))
	switch {
	case strings.HasPrefix(class, pxeClass):
		c.Kind = PXE
	case strings.HasPrefix(class, httpClass):
		c.Kind = HTTP
	}
	arch, ok := p.Options.Number16(Architecture)
	if !ok {
		arch = archOf(class)
	}
	c.Arch = Arch(arch)
	c.IPXE = ipxe(p.Options)
	return c
}

// archOf reads the architecture in a class of the form PXEClient:Arch:00007:UNDI:…
// (PXE 2.1 §2.2.2), which is in the class of every ROM; some send no option 93.
func archOf(class string) (n uint16) {
	parts := strings.Split(class, ":")
	if len(parts) < 3 || parts[1] != "Arch" {
		return 0
	}
	for _, c := range parts[2] {
		if c < '0' || c > '9' || n > 6000 {
			return 0xffff
		}
		n = n*10 + uint16(c-'0')
	}
	return n
}

// uuid reads a machine's UUID (RFC 4578 §2.3). Its first three fields are
// little-endian on the machine and so in the option, as SMBIOS has them since 2.6.
func uuid(b []byte) string {
	if len(b) != 17 || b[0] != 0 {
		return ""
	}
	u := bytes.Clone(b[1:])
	if bytes.Count(u, u[:1]) == len(u) { // all 00 or all ff: the maker gave it none
		return ""
	}
	u[0], u[1], u[2], u[3] = u[3], u[2], u[1], u[0]
	u[4], u[5], u[6], u[7] = u[5], u[4], u[7], u[6]
	h := hex.EncodeToString(u)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ipxeHTTP is the option inside option 175 that tells that an iPXE can HTTP.
const ipxeHTTP Code = 19

// ipxe reports whether the client is iPXE that can HTTP. One that can't is treated
// as the ROM that it replaces.
func ipxe(o Options) bool {
	class := o.Get(UserClass)
	// iPXE writes its name as it is, and not with a length before it as RFC 3004 wants.
	if string(class) != "iPXE" && string(class) != "\x04iPXE" {
		return false
	}
	features, err := parseOptions(nil, o.Get(IPXE))
	return err == nil && len(features.Get(ipxeHTTP)) == 1 && features.Get(ipxeHTTP)[0] != 0
}

// Files are the boot files of a server.
type Files struct {
	BIOS string // over TFTP
	UEFI string // over TFTP, 64 bit
	HTTP string // URL, for UEFI HTTP Boot
	IPXE string // URL of a script; "" treats iPXE as the ROM that it replaces
}

// errNoBoot: the client doesn't want to boot.
var errNoBoot = errors.New("does not ask for a boot file")

// For returns the boot file for a client, or why there is none.
func (f *Files) For(c Client) (string, error) {
	file := ""
	switch {
	case c.Kind == Other && !c.IPXE:
		return "", errNoBoot
	case c.IPXE && f.IPXE != "" && (c.Arch == BIOS || c.Arch == X64 || c.Arch == X64Also):
		file = f.IPXE
	case c.Kind == HTTP && c.Arch == X64HTTP:
		file = f.HTTP
	case c.Kind == PXE && c.Arch == BIOS:
		file = f.BIOS
	case c.Kind == PXE && (c.Arch == X64 || c.Arch == X64Also):
		file = f.UEFI
	}
	if file == "" {
		return "", fmt.Errorf("there is no boot loader here for %v", c.Arch)
	}
	return file, nil
}
