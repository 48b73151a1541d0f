package mcast

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ear is a packet socket on the interface (packet(7)). Its membership
// PACKET_MR_ALLMULTI makes the network card let all multicast through, without
// a word of IGMP to the switch.
type ear struct {
	fd    int
	count atomic.Uint64
}

// Overhear implements Overhearer. It needs CAP_NET_RAW.
func (d *device) Overhear(group netip.AddrPort) (Ear, error) {
	if d.loopback {
		return nil, fmt.Errorf("%w: %s has no switch", ErrNoOverhear, d.Name())
	}
	e, err := d.overhear(group)
	if err != nil {
		return nil, fmt.Errorf("%w: on %s: %w", ErrNoOverhear, d.Name(), err)
	}
	return e, nil
}

func (d *device) overhear(group netip.AddrPort) (*ear, error) {
	// Protocol 0: nothing is heard before the filter is in place.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := d.prick(fd, group); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &ear{fd: fd}, nil
}

func (d *device) prick(fd int, group netip.AddrPort) error {
	filter, err := bpf.Assemble(datagramsTo(group))
	if err != nil {
		return err
	}
	raw := make([]unix.SockFilter, len(filter))
	for i, f := range filter {
		raw[i] = unix.SockFilter{Code: f.Op, Jt: f.Jt, Jf: f.Jf, K: f.K}
	}
	prog := unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
		return os.NewSyscallError("SO_ATTACH_FILTER", err)
	}
	// ETH_P_IP and not ETH_P_ALL: what this machine sends is not heard.
	at := unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: d.index}
	if err := unix.Bind(fd, &at); err != nil {
		return os.NewSyscallError("bind", err)
	}
	all := unix.PacketMreq{Ifindex: int32(d.index), Type: unix.PACKET_MR_ALLMULTI}
	return os.NewSyscallError("PACKET_ADD_MEMBERSHIP",
		unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &all))
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// datagramsTo passes UDP datagrams to group, not fragmented, of IPv4 packets
// that begin at offset 0 (RFC 791 §3.1).
func datagramsTo(group netip.AddrPort) []bpf.Instruction {
	ip := group.Addr().As4()
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 16, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(ip[0])<<24 | uint32(ip[1])<<16 | uint32(ip[2])<<8 | uint32(ip[3]), SkipTrue: 6},
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(group.Port()), SkipTrue: 1},
		bpf.RetConstant{Val: 1}, // one byte is enough to count
		bpf.RetConstant{Val: 0},
	}
}

// Count implements Ear. The kernel's own count serves: nothing is read.
func (e *ear) Count() uint64 {
	if s, err := unix.GetsockoptTpacketStats(e.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		e.count.Add(uint64(s.Packets)) // drops included; reading resets it
	}
	return e.count.Load()
}

// Close implements Ear.
func (e *ear) Close() error {
	if err := unix.Close(e.fd); err != nil {
		return net.ErrClosed
	}
	return nil
}
